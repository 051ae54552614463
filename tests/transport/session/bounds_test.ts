import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { connect, ConnectionError, listen, turbo } from "../../../mod.ts";
import { Endpoint } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { encode, pattern, PUSH, WASK, WINS } from "../../kcp/harness.ts";
import {
  drain,
  foreignAnswers,
  ownAnswers,
  readAll,
  readExactly,
  Runner,
  writeAll,
} from "../harness.ts";

const PEER = "10.0.0.9:1000";
const SERVER = { hostname: "10.0.0.1", port: 80 } as const;

/** Bytes of all packets that a machine sends up to `end`. */
function bytesUntil(runner: Runner<Endpoint>, end: number): number {
  let bytes = 0;
  for (let now = 0; now <= end; now += 10) {
    for (const { packet } of runner.sent(now)) bytes += packet.length;
  }
  return bytes;
}

Deno.test("bounds: an unconfirmed address gets about three times its own bytes", () => {
  const a = new Runner(new Endpoint({ ...turbo, sndWnd: 1024 }, true));
  const packet = encode({ sn: 0, data: pattern(100) });
  a.machine.input(packet, 0, PEER);
  const session = a.machine.accept()!;
  session.write(pattern(100_000));
  const sent = bytesUntil(a, 14_000);
  // The last packet may exceed the limit. Acknowledgments and probes are small.
  assertLess(sent, 3 * packet.length + 1400 + 300);
  assert(sent > 100, "the address is not probed");
});

Deno.test("bounds: a confirmed address gets everything", () => {
  const a = new Runner(new Endpoint(turbo, true));
  a.machine.input(encode({ sn: 0, data: pattern(100) }), 0, PEER);
  const session = a.machine.accept()!;
  session.write(pattern(30_000));
  const [echo] = ownAnswers(a.segments(0));
  assert(session.unconfirmed);
  // A window that somebody else can forge lifts no limit.
  a.machine.input(encode({ cmd: WINS, wnd: 1000 }), 10, PEER);
  assert(session.unconfirmed);
  a.machine.input(encode({ ...echo, wnd: 1000 }), 20, PEER);
  assert(!session.unconfirmed);
  const data = a.segments(20).filter(({ cmd }) => cmd === PUSH);
  assertLess(15_000, data.reduce((sum, segment) => sum + segment.data.length, 0));
});

Deno.test("bounds: packets for an aborted session use no memory", () => {
  const a = new Runner(new Endpoint(turbo, true));
  a.machine.input(encode({ sn: 0, data: pattern(10) }), 0, PEER);
  const session = a.machine.accept()!;
  session.onChange = () => {};
  a.sent(0);
  session.read(new Uint8Array(10));
  session.abort(new ConnectionError("closed", "enough"));
  const before = a.machine.arena.used;
  for (let sn = 1; sn < 50; sn++) a.machine.input(encode({ sn, data: pattern(1000) }), 1, PEER);
  assertEquals(a.machine.arena.used, before);
  a.sent(1);
  assertEquals(a.machine.size, 0);
});

Deno.test("bounds: a session that failed frees its unsent data", () => {
  const a = new Runner(new Endpoint({ ...turbo, deadLinkTime: 1000 }, true));
  a.machine.input(encode({ sn: 0, data: pattern(10) }, { cmd: WINS }), 0, PEER);
  const session = a.machine.accept()!;
  session.onChange = () => {};
  const answers = foreignAnswers(a.segments(0));
  a.machine.input(encode(...answers, { cmd: WINS, wnd: 1000 }), 1, PEER);
  assert(!session.unconfirmed);
  a.sent(1);
  const before = a.machine.arena.used;
  session.write(pattern(200_000));
  a.idle(1, 5000);
  assertEquals([session.state, session.error?.kind], ["closed", "unreachable"]);
  assertLess(a.machine.arena.used, before + 2048);
  const bytes = new Uint8Array(10);
  assertEquals(session.read(bytes), 10, "what had arrived can be read");
  assertEquals(bytes, pattern(10));
  assertLess(a.machine.arena.used, before);
});

Deno.test("bounds: after an error, the application can still read a part of a message", () => {
  const a = new Runner(new Endpoint({ ...turbo, idleTimeout: 1000 }, true));
  a.machine.input(encode({ sn: 0, frg: 1, data: pattern(10) }, { cmd: WINS }), 0, PEER);
  const session = a.machine.accept()!;
  session.onChange = () => {};
  a.idle(0, 5000);
  assertEquals([session.state, session.peekSize()], ["closed", -1]);
  const bytes = new Uint8Array(10);
  assertEquals(session.read(bytes), 10);
  assertEquals(bytes, pattern(10));
});

Deno.test("bounds: a peer that does not read for minutes does not count as dead", async () => {
  const network = new SimulatedNetwork({ link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...turbo, rcvWnd: 32 });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo });
    const sending = writeAll(client, pattern(400_000)).then(() => client.closeWrite());
    const server = await listener.accept();
    await network.delay(250_000);
    assertEquals(await readAll(server), pattern(400_000));
    await sending;
  });
});

Deno.test("bounds: a connection survives an outage of almost deadLinkTime", async () => {
  const network = new SimulatedNetwork({ link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo });
    await client.write(pattern(10));
    const server = await listener.accept();
    await readExactly(server, 10);
    await network.delay(100);
    network.partition("10.0.0.1", "10.0.0.2");
    await server.write(pattern(10));
    await network.delay(26_000);
    network.partition("10.0.0.1", "10.0.0.2", false);
    assertEquals(await readExactly(client, 10), pattern(10));
  });
});

Deno.test("simulated: a refused option leaves the address free", () => {
  const network = new SimulatedNetwork();
  assertThrows(() => network.listen({ ...SERVER, mtu: 1 }), RangeError);
  network.listen(SERVER);
  const local = { localHostname: "me", localPort: 5 };
  assertThrows(() => network.connect({ ...SERVER, ...local, sndWnd: 0 }), RangeError);
  network.connect({ ...SERVER, ...local });
});

Deno.test("Listener: leaving the `for await` loop closes it", async () => {
  const network = new SimulatedNetwork();
  const listener = network.listen(SERVER);
  await network.run(async () => {
    await network.connect(SERVER).write(pattern(1));
    for await (const conn of listener) {
      conn.abort();
      break;
    }
    await assertRejects(() => listener.accept(), ConnectionError);
    await listener.closed;
  });
});

Deno.test("Connection: after an abort of the writable stream, the peer reads no end", async () => {
  const network = new SimulatedNetwork({ link: { latency: 5 } });
  const listener = network.listen({ ...SERVER, idleTimeout: 20_000 });
  await network.run(async () => {
    const client = network.connect(SERVER);
    const writer = client.writable.getWriter();
    await writer.write(pattern(100));
    const server = await listener.accept();
    await readExactly(server, 100);
    await writer.abort(new Error("the file is broken"));
    await assertRejects(() => client.closed, ConnectionError, "the file is broken");
    await assertRejects(() => server.read(new Uint8Array(1)), ConnectionError);
  });
});

Deno.test("connect: the wildcard address reaches a listener on this machine", async () => {
  const listener = await listen({ hostname: "127.0.0.1" });
  {
    await using conn = await connect({ hostname: "0.0.0.0", port: listener.addr.port });
    assertEquals(conn.remoteAddr.hostname, "127.0.0.1");
    await conn.write(pattern(5));
    const server = await listener.accept();
    assertEquals(await readExactly(server, 5), pattern(5));
    server.close();
  }
  listener.close();
  await listener.closed;
});

Deno.test("bounds: an unconfirmed address is probed after an eighth of the deadLinkTime at the latest", () => {
  const a = new Runner(new Endpoint({ ...turbo, deadLinkTime: 5000 }, true));
  a.machine.input(encode({ sn: 0, data: pattern(100) }), 0, PEER);
  a.machine.accept();
  let last = 0;
  for (let now = 0; now < 4990; now += 10) {
    if (a.segments(now).some(({ cmd }) => cmd === WASK)) last = now;
    assertLess(now - last, 5000 / 8 + 10);
  }
});

Deno.test("bounds: an unconfirmed peer that is heard after the linger gets the end of the stream", () => {
  const a = new Runner(new Endpoint({ ...turbo, linger: 10_000 }, true));
  const packet = encode({ sn: 0, data: pattern(10) }, { sn: 1 });
  a.machine.input(packet, 0, PEER);
  const session = a.machine.accept()!;
  drain(session);
  session.close();
  const isEnd = ({ cmd, sn }: { cmd: number; sn: number }) => cmd === PUSH && sn === 0;
  let last = 0;
  for (let now = 0; now <= 10_010; now += 10) if (a.segments(now).some(isEnd)) last = now;
  // The limit on what the address gets has stopped it.
  assertLess(last, 9000);
  assertEquals([session.state, session.over], ["closed", false]);
  a.machine.input(packet, 20_000, PEER);
  assert(a.segments(20_000).concat(a.segments(20_010)).some(isEnd));
});
