/** The mux against smux: over KCP and TCP, both versions, whoever dials. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createCipher, deriveKey } from "../../crypt/mod.ts";
import { turbo } from "../../mod.ts";
import { Mux, MuxError } from "../../transport/mux.ts";
import { lossy } from "./combinations.ts";
import { interopTest } from "./go_program.ts";
import { type Below, type Dialler, makeMux, makePair } from "./mux_pair.ts";
import { SmuxPeer, type SmuxSettings, type StreamPlan } from "./mux_peer.ts";
import { runAll } from "./pool.ts";
import {
  bufferScenarios,
  fewScenarios,
  runScenario,
  type Scenario,
  scenariosFor,
} from "./mux_scenarios.ts";

async function run(
  peer: SmuxPeer,
  below: Below,
  scenario: Scenario,
  version: 1 | 2,
  dialler: Dialler,
): Promise<void> {
  const pair = await makePair(peer, below, { ...scenario.options, version, dialler }, makeMux);
  await runScenario(scenario, version, pair);
  assertEquals(pair.ours.stats.streams, 0, "streams that are left");
}

const VERSIONS = [1, 2] as const;
const DIALLERS = ["ours", "smux"] as const;

/** ms after which a scenario has failed. */
const DEADLINE = 60_000;

for (const over of ["kcp", "tcp"] as const) {
  for (const version of VERSIONS) {
    for (const dialler of DIALLERS) {
      const title = `mux, ${over.toUpperCase()}, version ${version}, ${dialler} dials`;

      interopTest(title, async (t) => {
        await using peer = await SmuxPeer.start();
        // On TCP, it makes less of a difference who dials.
        const few = over === "tcp" && dialler === "smux";
        const chosen = few ? fewScenarios() : scenariosFor(over, version);
        const trials = chosen.map((scenario) => ({
          name: scenario.name,
          run: () => run(peer, { over }, scenario, version, dialler),
        }));
        await runAll(t, trials, 2, DEADLINE);
      });
    }

    interopTest(`mux, ${over.toUpperCase()}, version ${version}: unequal buffers`, async (t) => {
      await using peer = await SmuxPeer.start();
      const trials = bufferScenarios.map((scenario, i) => ({
        name: scenario.name,
        run: () => run(peer, { over }, scenario, version, DIALLERS[i % 2]),
      }));
      await runAll(t, trials, 4, DEADLINE);
    });
  }
}

for (const version of VERSIONS) {
  for (const dialler of DIALLERS) {
    interopTest(`mux, 10 % loss, version ${version}, ${dialler} dials`, async (t) => {
      await using peer = await SmuxPeer.start();
      for (const scenario of fewScenarios()) {
        await t.step(scenario.name, () => {
          return run(peer, { over: "kcp", link: lossy(0.1) }, scenario, version, dialler);
        });
      }
    });
  }
}

/** kcptun's defaults, but for the compression: AES, error correction 10/3, its buffers and frames. */
const KCPTUN: SmuxSettings = {
  maxFrameSize: 8192,
  maxReceiveBuffer: 4_194_304,
  maxStreamBuffer: 2_097_152,
};

for (const dialler of DIALLERS) {
  interopTest(`mux, settings of kcptun, 2 % loss, ${dialler} dials`, async (t) => {
    await using peer = await SmuxPeer.start();
    const password = "it's a secrect";
    const key = deriveKey(password);
    const below: Below = {
      over: "kcp",
      link: { loss: 0.02 },
      kcp: {
        ours: {
          ...turbo,
          interval: 20,
          mtu: 1400,
          crypt: createCipher("aes-128", key.subarray(0, 16)),
          fec: { dataShards: 10, parityShards: 3 },
        },
        theirs: { password, data: 10, parity: 3, nodelay: [1, 20, 2, 1] },
      },
    };
    for (const scenario of fewScenarios()) {
      const options = { ...scenario.options, ours: KCPTUN, theirs: KCPTUN };
      await t.step(scenario.name, () => run(peer, below, { ...scenario, options }, 2, dialler));
    }
  });
}

/** Sessions end soon after the other end has gone. */
const SOON = { keepAliveInterval: 100, keepAliveTimeout: 500 };
const SOON_THERE: SmuxSettings = { keepAlive: 100, keepAliveTimeout: 500 };

for (const over of ["kcp", "tcp"] as const) {
  for (const dialler of DIALLERS) {
    const title = `mux, ${over.toUpperCase()}, ${dialler} dials`;

    // smux#104: an accept waited on although the other end had closed the session.
    interopTest(`${title}: what waits ends when smux closes the session`, async () => {
      await using peer = await SmuxPeer.start();
      // A TCP that is closed before it has read everything resets the connection instead: so nothing
      // is on its way to smux then, neither a window nor a keep-alive.
      const plan: StreamPlan = { echo: true };
      const times = over === "kcp" ? { ours: SOON, theirs: SOON_THERE } : {};
      const pair = await makePair(
        peer,
        { over },
        { version: 1, dialler, plan, ...times },
        makeMux,
      );
      const { ours, theirs } = pair;
      const stream = await ours.createBidirectionalStream();
      await stream.writeAll(new Uint8Array(1));
      assertEquals(await stream.read(new Uint8Array(1)), 1);
      const waiting = [ours.accept(), stream.read(new Uint8Array(1)), stream.closed];
      const ended = Promise.all(waiting.map((each) => assertRejects(() => each, Error)));
      await theirs.close();
      await ended;
      // TCP tells the end. kcp-go tells nothing: the silence does, or that its listener begins anew.
      if (over === "tcp") assertEquals(await ours.closed, { closeCode: 0, reason: "" });
      else await assertRejects(() => ours.closed, MuxError);
      await assertRejects(() => ours.createBidirectionalStream(), MuxError);
      await pair.close();
    });

    interopTest(`${title}: smux learns that we have closed the session`, async () => {
      await using peer = await SmuxPeer.start();
      const options = { version: 2, dialler, ours: SOON, theirs: SOON_THERE, plan: {} } as const;
      const pair = await makePair(peer, { over }, options, makeMux);
      const stream = await pair.ours.createBidirectionalStream();
      await stream.writeAll(new Uint8Array(100));
      pair.ours.close();
      const [{ received, eof, readError }] = await pair.theirs.served(1);
      assertEquals(received, 100);
      assert(eof || readError, "smux still reads");
      for (let n = 0; !(await pair.theirs.look()).closed; n++) {
        assert(n < 50, "smux keeps the session");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await pair.ours.closed.catch(() => {});
      await pair.close();
    });
  }
}

// smux#37: a close hung when the connection below took nothing more, and no keep-alive helped.
Deno.test("mux, TCP: a peer that takes nothing does not hold an end up", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using _deaf = await listener.accept();
  const mux = new Mux(conn, { client: true, version: 1, ...SOON, linger: 200 });
  const stream = await mux.createBidirectionalStream();
  // More than the buffers of both sockets.
  const writing = assertRejects(() => stream.writeAll(new Uint8Array(64 << 20)), Error);
  const closing = assertRejects(() => stream.closeWrite(), Error);
  const other = await mux.createBidirectionalStream();
  other.abort();
  await assertRejects(() => mux.closed, MuxError, "Nothing arrived");
  await Promise.all([writing, closing]);
});

// smux#61: the timeout of one read failed the reads of all streams from then on.
interopTest("mux, TCP: a read that times out harms no other, and can be repeated", async () => {
  await using peer = await SmuxPeer.start();
  const options = { version: 2, dialler: "ours", plan: { echo: true } } as const;
  const pair = await makePair(peer, { over: "tcp" }, options, makeMux);
  const streams = await Promise.all(
    Array.from({ length: 3 }, () => pair.ours.createBidirectionalStream()),
  );
  const buffer = new Uint8Array(10);
  await assertRejects(() => streams[0].read(buffer, { timeout: 20 }), MuxError, "20 ms");
  for (const stream of streams) {
    await stream.writeAll(Uint8Array.of(stream.id));
    assertEquals(await stream.read(buffer), 1);
    assertEquals(buffer[0], stream.id);
    await stream.closeWrite();
  }
  await pair.theirs.served(3);
  pair.ours.close();
  await pair.ours.closed;
  await pair.close();
});
