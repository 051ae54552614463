/** MTU, windows, timing, sizes of groups, and streams in one direction only. */
import { assertEquals } from "@std/assert";
import { connect, type ConnectOptions, listen, normal } from "../../mod.ts";
import { pattern } from "../vectors/pattern.ts";
import { sha256 } from "../vectors/vectors.ts";
import { CIPHERS, ourSettings, type Ratio, theirSettings } from "./combinations.ts";
import { echoOverListener, echoOverServer, finish, readAll, writeAll } from "./echo.ts";
import {
  interopTest,
  PeerDialer,
  type PeerListener,
  PeerServer,
  type PeerSettings,
} from "./peer.ts";

const DEADLINE = 60_000;
const SIZE = 2 ** 20;

interface Case {
  name: string;
  cipher: string;
  ratio: Ratio;
  ours: Partial<ConnectOptions>;
  theirs: PeerSettings;
}

const CASES: Case[] = [
  // The longest packet of kcp-go 5.7.
  ...["", "xor", "salsa20", "aes-256", "aes-256-gcm", "chacha20-poly1305"].map((cipher): Case => ({
    name: "an MTU of 1472",
    cipher,
    ratio: [10, 3],
    ours: { mtu: 1472 },
    theirs: { mtu: 1472 },
  })),
  {
    name: "an MTU of 200 at our end",
    cipher: "twofish",
    ratio: [3, 1],
    ours: { mtu: 200 },
    theirs: {},
  },
  {
    name: "an MTU of 200 at theirs",
    cipher: "aes-128-gcm",
    ratio: [3, 1],
    ours: {},
    theirs: { mtu: 200 },
  },
  {
    name: "a window of 16 at our end",
    cipher: "",
    ratio: null,
    ours: { sndWnd: 16, rcvWnd: 16 },
    theirs: {},
  },
  {
    name: "a send window of 16 at theirs",
    cipher: "none",
    ratio: [2, 2],
    ours: {},
    // The smallest receive window of kcp-go is 128.
    theirs: { windows: [16, 128] },
  },
  {
    name: "congestion control and no fast retransmission at both ends",
    cipher: "cast5",
    ratio: [10, 3],
    ours: { ...normal, interval: 20 },
    theirs: { nodelay: [0, 20, 0, 0] },
  },
  {
    name: "delayed writes and immediate acknowledgments at both ends",
    cipher: "tea",
    ratio: [20, 5],
    ours: { writeDelay: true, ackNoDelay: true },
    theirs: { stream: true, writeDelay: true, ackNoDelay: true },
  },
  {
    name: "groups of 128/127",
    cipher: "salsa20",
    ratio: [128, 127],
    ours: {},
    theirs: {},
  },
  {
    name: "groups of 1/1",
    cipher: "xtea",
    ratio: [1, 1],
    ours: {},
    theirs: {},
  },
];

for (const { name, cipher: cipherName, ratio, ours, theirs } of CASES) {
  const cipher = CIPHERS.find(({ name }) => name === cipherName)!;
  const title = `${name}, ${cipherName || "no cipher"}`;
  const settings = { ...ourSettings(cipher, ratio), ...ours };
  const peer = { ...theirSettings(cipher, ratio), ...theirs };

  interopTest(`${title}, kcp-go listens`, async () => {
    await using server = await PeerServer.start([peer]);
    await echoOverServer({ server, settings, seed: 1, bytes: SIZE, timeout: DEADLINE });
  });

  interopTest(`${title}, kcp-go dials`, async () => {
    await using dialer = await PeerDialer.start();
    await using listener = await listen({ ...settings, hostname: "127.0.0.1" });
    const address = `127.0.0.1:${listener.addr.port}`;
    const job = { ...peer, address, seed: 2, bytes: SIZE, timeout: DEADLINE };
    await echoOverListener(dialer, listener, job);
  });
}

for (const ratio of [null, [10, 3]] as const) {
  const cipher = CIPHERS.find(({ name }) => name === "chacha20-poly1305")!;
  const title = ratio ? "with FEC" : "without FEC";
  const oneWay = (listener: PeerListener) =>
    PeerServer.start([{ ...theirSettings(cipher, ratio), ...listener }]);

  interopTest(`bytes in one direction, to kcp-go, ${title}`, async () => {
    await using server = await oneWay({ mode: "sink" });
    await using conn = await connect({ ...ourSettings(cipher, ratio), port: server.ports[0] });
    const bytes = pattern(1, SIZE);
    await writeAll(conn, bytes, DEADLINE);
    // An acknowledgment does not say that kcp-go's application has read the bytes.
    await conn.drained({ timeout: DEADLINE });
    await finish(conn);
    const expected = { bytes: SIZE, sha256: await sha256(bytes) };
    let seen = { bytes: 0, sha256: "" };
    for (const started = performance.now(); seen.bytes < SIZE;) {
      if (performance.now() - started > DEADLINE) break;
      const { bytes, sha256 } = await server.look(0, conn.conv);
      seen = { bytes, sha256 };
    }
    assertEquals(seen, expected);
    await server.finish(0, conn.conv);
  });

  interopTest(`bytes in one direction, from kcp-go, ${title}`, async () => {
    await using server = await oneWay({ mode: "source", bytes: SIZE, seed: 7 });
    await using conn = await connect({ ...ourSettings(cipher, ratio), port: server.ports[0] });
    await writeAll(conn, new Uint8Array(1), DEADLINE);
    const received = await readAll(conn, SIZE, DEADLINE);
    assertEquals(await sha256(received), await sha256(pattern(7, SIZE)));
    await finish(conn);
    await server.finish(0, conn.conv);
  });
}
