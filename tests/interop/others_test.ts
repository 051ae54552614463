/** Implementations of KCP other than kcp-go: 1 MiB in each direction, while 10 % is lost. */
import { assertEquals } from "@std/assert";
import { connect, type Connection, listen } from "../../mod.ts";
import { startProxy } from "../../transport/deno.ts";
import { pattern } from "../vectors/pattern.ts";
import { sha256 } from "../vectors/vectors.ts";
import { CIPHERS, lossy, ourSettings } from "./combinations.ts";
import { finish } from "./echo.ts";
import { buildOtherPeers } from "./other_peers.ts";
import { PeerProgram } from "./peer_program.ts";

const SIZE = 2 ** 20;
const DEADLINE = 60_000;
const LINK = lossy(0.1);

for (const { name, messages: lengths, rcvWnd = 256, command } of await buildOtherPeers()) {
  const settings = { ...ourSettings(CIPHERS[0], null), sndWnd: 256, rcvWnd };
  const ignore = !Array.isArray(command);
  const reason = ignore ? ` (ignored: ${command.missing})` : "";
  const test = (title: string, fn: (command: string[]) => Promise<void>) =>
    Deno.test({
      name: `interop: ${name}: ${title}, 10 % loss${reason}`,
      ignore,
      fn: () => fn(command as string[]),
    });

  test("our client sends messages, and its server sends them back", async (command) => {
    const messages = cut(pattern(1, SIZE), lengths);
    await using peer = new PeerProgram(command, "serve");
    const port = Number(new TextDecoder().decode(await peer.read()));
    const target = { hostname: "127.0.0.1", port };
    await using proxy = await startProxy({ target, up: LINK, down: LINK });
    await using conn = await connect({
      ...settings,
      hostname: "127.0.0.1",
      port: proxy.addr.port,
    });
    const [theirs, ours] = await Promise.all([
      readMessages(messages.length, () => peer.read()),
      readMessages(messages.length, () => receive(conn)),
      sendMessages(conn, messages),
    ]);
    await expectSame(messages, theirs, "What the peer received");
    await expectSame(messages, ours, "What came back");
    await finish(conn);
  });

  test("its client sends messages, and our server sends them back", async (command) => {
    const messages = cut(pattern(2, SIZE), lengths);
    await using listener = await listen({ ...settings, hostname: "127.0.0.1" });
    const target = { hostname: "127.0.0.1", port: listener.addr.port };
    await using proxy = await startProxy({ target, up: LINK, down: LINK });
    await using peer = new PeerProgram(command, "dial", `${proxy.addr.port}`, "305419896");
    const serve = async () => {
      const conn = await listener.accept();
      const received = await readMessages(messages.length, async () => {
        const message = await receive(conn);
        await conn.sendMessage(message, { timeout: DEADLINE });
        return message;
      });
      await finish(conn);
      return { conn, received };
    };
    // The rest follows the first answer: until the server has an answer too, it keeps only 64 KiB, and
    // would tell later that there is room again. One of the peers does not know how it is told.
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const write = async () => {
      const [first, ...rest] = messages;
      await peer.write(first);
      await answered;
      for (const message of rest) await peer.write(message);
    };
    const read = async () => {
      const message = await peer.read();
      answer();
      return message;
    };
    const [{ conn, received }, theirs] = await Promise.all([
      serve(),
      readMessages(messages.length, read),
      write(),
    ]);
    assertEquals(conn.conv, 305419896);
    await expectSame(messages, received, "What our server received");
    await expectSame(messages, theirs, "What came back to the peer");
  });
}

/** Cuts bytes into messages of these lengths, used in turn. */
function cut(bytes: Uint8Array<ArrayBuffer>, lengths: readonly number[]) {
  const messages: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + lengths[messages.length % lengths.length];
    messages.push(bytes.subarray(at, end));
    at = end;
  }
  return messages;
}

async function sendMessages(conn: Connection, messages: Uint8Array[]): Promise<void> {
  for (const message of messages) await conn.sendMessage(message, { timeout: DEADLINE });
}

async function receive(conn: Connection): Promise<Uint8Array<ArrayBuffer>> {
  const message = await conn.receiveMessage({ timeout: DEADLINE });
  if (message === null) throw new Error("The peer ended the stream");
  return message;
}

async function readMessages(
  count: number,
  read: () => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const messages = [];
  while (messages.length < count) messages.push(await read());
  return messages;
}

/** Compares the lengths of the messages, and the SHA-256 of their bytes. */
async function expectSame(
  expected: Uint8Array<ArrayBuffer>[],
  actual: Uint8Array<ArrayBuffer>[],
  what: string,
): Promise<void> {
  const lengths = (messages: Uint8Array[]) => messages.map(({ length }) => length);
  assertEquals(lengths(actual), lengths(expected), `${what}: lengths of messages`);
  const hash = async (messages: Uint8Array<ArrayBuffer>[]) =>
    await sha256(new Uint8Array(await new Blob(messages).arrayBuffer()));
  assertEquals(await hash(actual), await hash(expected), `${what}: SHA-256`);
}
