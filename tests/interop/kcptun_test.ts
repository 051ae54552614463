/**
 * The client and the server of examples/kcptun with those of kcptun, in both directions.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { startProxy } from "../../transport/deno.ts";
import { pattern } from "../vectors/pattern.ts";
import { sha256 } from "../vectors/vectors.ts";
import { examine } from "../../examples/kcptun/tunnel/doctor.ts";
import { hasFlag, kcptunTest } from "./kcptun/programs.ts";
import {
  closeConn,
  dial,
  echo,
  exchange,
  readExactly,
  readToEnd,
  settingsOf,
  Target,
  writeAll,
} from "../examples/kcptun/tcp.ts";
import {
  freeUdpPort,
  type Player,
  startClient,
  startServer,
  withTunnel,
} from "./kcptun/tunnels.ts";

/** Both directions: who is the client, and who is the server. */
const PAIRS: readonly { client: Player; server: Player }[] = [
  { client: "ours", server: "theirs" },
  { client: "theirs", server: "ours" },
];

/** The ciphers that Debian's kcptun has. */
const CIPHERS = [
  ..."aes aes-128 aes-192 salsa20 blowfish twofish cast5 3des tea xtea xor sm4 none".split(
    " ",
  ),
];

for (const pair of PAIRS) {
  const name = `${pair.client} to ${pair.server}`;

  for (const smuxver of [1, 2]) {
    kcptunTest(
      `${name}: every cipher, smux ${smuxver}, with all settings of the rest`,
      async () => {
        await using target = new Target(echo);
        for (let n = 0; n < CIPHERS.length; n++) {
          const crypt = CIPHERS[n];
          // The other settings differ for the second version.
          const i = n + 7 * (smuxver - 1);
          const flags = ["--crypt", crypt, "--smuxver", String(smuxver)];
          if (i % 3 === 0) flags.push("--nocomp");
          // kcp-go takes parity for that of its own ratio until it has learned the other one, and what it
          // restores in this way is wrong. So ours sends parity of the same ratio, or none.
          const theirs = [["10", "3"], ["0", "0"], ["4", "2"], ["20", "1"]][i % 4];
          const ours = i % 3 === 1 ? ["0", "0"] : theirs;
          const shards = { theirs, ours };
          const [clientShards, serverShards] = [shards[pair.client], shards[pair.server]];
          await withTunnel({
            ...pair,
            target: target.port,
            flags: [...flags, "--mode", ["fast", "fast2", "fast3", "normal", "manual"][i % 5]],
            clientFlags: [
              ...["--ds", clientShards[0], "--ps", clientShards[1], "--conn", String(1 + i % 4)],
              ...["--mtu", String(900 + 50 * (i % 10)), "--sndwnd", "64"],
            ],
            serverFlags: [
              ...["--ds", serverShards[0], "--ps", serverShards[1]],
              ...["--mtu", String(1400 - 60 * (i % 8)), "--rcvwnd", "400"],
            ],
          }, async (port) => {
            await Promise.all([1, 2, 3].map((n) => exchange(port, i + n, n * 70_000)));
          });
        }
        assertEquals(target.accepted, 3 * CIPHERS.length);
      },
    );
  }

  kcptunTest(`${name}: 100 MB in each direction, with SHA-256`, async () => {
    const length = 100_000_000;
    const data = pattern(9, length);
    const wanted = await sha256(data);
    let stored = "";
    await using target = new Target(async (conn) => {
      const [kind] = await readExactly(conn, 1);
      if (kind === 0) {
        stored = await sha256((await readExactly(conn, length)).slice());
        await writeAll(conn, Uint8Array.of(1));
        await readToEnd(conn);
      } else {
        await writeAll(conn, data);
      }
    });
    await withTunnel({
      ...pair,
      target: target.port,
      flags: ["--mode", "fast3", "--sndwnd", "1024", "--rcvwnd", "1024", "--ds", "0"],
    }, async (port) => {
      using up = await dial(port);
      await writeAll(up, Uint8Array.of(0));
      await writeAll(up, data);
      assertEquals((await readExactly(up, 1))[0], 1);
      assertEquals(stored, wanted);
      using down = await dial(port);
      await writeAll(down, Uint8Array.of(1));
      assertEquals(await sha256(await readToEnd(down)), wanted);
    });
  });

  kcptunTest(`${name}: 200 connections at once`, async () => {
    await using target = new Target(echo);
    await withTunnel(
      { ...pair, target: target.port, clientFlags: ["--conn", "4"] },
      async (port) => {
        await Promise.all(Array.from({ length: 200 }, (_, i) => exchange(port, i, 5000 + 10 * i)));
        assertEquals(target.accepted, 200);
      },
    );
  });

  kcptunTest(`${name}: through a proxy that loses 10 %`, async () => {
    await using target = new Target(echo);
    const port = freeUdpPort();
    const link = { loss: 0.1, latency: 10 };
    await using proxy = await startProxy({
      target: { hostname: "127.0.0.1", port },
      up: link,
      down: link,
      seed: 5,
    });
    await withTunnel({
      ...pair,
      target: target.port,
      port,
      via: proxy.addr.port,
      flags: ["--mode", "fast3"],
    }, (port) => exchange(port, 3, 1_000_000));
  });

  kcptunTest(`${name}: the target ends first, and everything that it sent arrives`, async () => {
    const data = pattern(4, 3_000_000);
    await using target = new Target(async (conn) => {
      await readExactly(conn, 5);
      await writeAll(conn, data);
    });
    await withTunnel({ ...pair, target: target.port }, async (port) => {
      using conn = await dial(port);
      await writeAll(conn, new TextEncoder().encode("GET /"));
      assertEquals(await sha256(await readToEnd(conn)), await sha256(data));
    });
  });

  kcptunTest(
    `${name}: the application ends first, and everything that it sent arrives`,
    async () => {
      const data = pattern(5, 3_000_000);
      const arrived = Promise.withResolvers<string>();
      await using target = new Target(async (conn) => {
        arrived.resolve(await sha256(await readToEnd(conn)));
      });
      // kcptun cuts off what is on its way when its client does not wait.
      const clientFlags = hasFlag("client", "closewait") ? ["--closewait", "5"] : [];
      await withTunnel({ ...pair, target: target.port, clientFlags }, async (port) => {
        using conn = await dial(port);
        await writeAll(conn, data);
        await conn.closeWrite();
        assertEquals(await arrived.promise, await sha256(data));
      });
    },
  );

  kcptunTest(`${name}: both ends of a connection notice when the other one is gone`, async () => {
    await using target = new Target(echo);
    await withTunnel({ ...pair, target: target.port }, async (port) => {
      const conns = await Promise.all(Array.from({ length: 20 }, () => dial(port)));
      for (const conn of conns) {
        await writeAll(conn, Uint8Array.of(1));
        await readExactly(conn, 1);
      }
      assertEquals(target.open, 20);
      for (const conn of conns) closeConn(conn);
      for (let i = 0; i < 100 && target.open > 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals(target.open, 0);
    });
  });

  kcptunTest(`${name}: settings from a file`, async () => {
    await using target = new Target(echo);
    const file = await Deno.makeTempFile({ suffix: ".json" });
    try {
      const settings = { crypt: "aes-192", mode: "fast2", nocomp: true, smuxver: 2, datashard: 5 };
      await Deno.writeTextFile(file, JSON.stringify(settings));
      // The file overrides what is wrong on the command line.
      const flags = ["--crypt", "sm4", "--smuxver", "1", "-c", file];
      await withTunnel(
        { ...pair, target: target.port, flags },
        (port) => exchange(port, 8, 100_000),
      );
    } finally {
      await Deno.remove(file);
    }
  });
}

kcptunTest("ours to theirs: --check finds that all fits, or what does not", async () => {
  await using target = new Target(echo);
  const port = freeUdpPort();
  await using _server = await startServer("theirs", port, target.port, []);
  const check = async (flags: readonly string[], times?: { packets: number; streams: number }) => {
    const said: string[] = [];
    const args = ["-r", `127.0.0.1:${port}`, "--key", "a secret", "--smuxver", "2", ...flags];
    const code = await examine(settingsOf("client", args), (line) => said.push(line), times);
    return [code, said.join("\n")] as const;
  };
  const [code, report] = await check([]);
  assertEquals(code, 0, report);
  assert(report.includes("✓ Streams work"), report);
  for (
    const [flags, reason] of [
      [["--key", "another"], "✗ 127.0.0.1:"],
      [["--nocomp"], "✗ Streams do not work"],
      [["--smuxver", "1"], "✗ Streams do not work"],
    ] as const
  ) {
    const [code, report] = await check(flags, { packets: 2000, streams: 2000 });
    assertEquals(code, 1, report);
    assert(report.includes(reason), report);
  }
});

kcptunTest(
  "ours to theirs: a server that is killed and started again is used again within seconds",
  async () => {
    await using target = new Target(echo);
    const port = freeUdpPort();
    const flags = ["--mode", "fast3", "--keepalive", "1"];
    const first = await startServer("theirs", port, target.port, flags);
    await using client = await startClient("ours", port, flags);
    await exchange(client.port, 1, 50_000);
    await first[Symbol.asyncDispose]();
    await using _second = await startServer("theirs", port, target.port, flags);
    const deadline = Date.now() + 15_000;
    for (let done = false; !done;) {
      assert(Date.now() < deadline, client.log);
      const timeout = new Promise<boolean>((resolve) => setTimeout(resolve, 1500, false));
      done = await Promise.race([
        exchange(client.port, 2, 50_000).then(() => true, () => false),
        timeout,
      ]);
    }
  },
);
