/**
 * Servers and clients that are killed in the middle of a transfer, and started again: the connection
 * of the application ends, and new ones work, within seconds.
 *
 * kcptun's own client needs up to 60 s for both when its server was killed, whoever that is: its
 * streams ask each 30 s whether anything came.
 *
 * @module
 */
import { assert } from "@std/assert";
import type { Side } from "../../examples/kcptun/settings/settings.ts";
import { KcptunProgram, kcptunTest, startOurs } from "./kcptun/programs.ts";
import { freeUdpPort, type Player } from "./kcptun/tunnels.ts";
import {
  closeConn,
  dial,
  exchange,
  freeTcpPort,
  Target,
  writeAll,
} from "../examples/kcptun/tcp.ts";

/** Both ends say that they are there each second: kcptun's server shows that it has restarted. */
const FLAGS = ["--key", "k", "--smuxver", "2", "--keepalive", "1"];

/** Starts an end as a process, which can be killed. */
function start(side: Side, player: Player, args: readonly string[]): Promise<KcptunProgram> {
  const all = [...args, ...FLAGS];
  return player === "ours" ? startOurs(side, all) : KcptunProgram.start(side, all);
}

/** A target that echoes. After a first byte of 0 it sends without end, after a 1 it only reads. */
function endlessTarget(): Target {
  return new Target(async (conn) => {
    const buffer = new Uint8Array(65_536);
    for (let mode = -1, count; (count = await conn.read(buffer)) !== null;) {
      if (mode < 0) mode = buffer[0];
      while (mode === 0) await writeAll(conn, buffer);
      if (mode !== 1) await writeAll(conn, buffer.subarray(0, count));
    }
  });
}

/** Moves bytes without end, and counts them. */
class Transfer {
  moved = 0;
  /** When it ended; 0 before. */
  endedAt = 0;
  readonly #conn: Deno.TcpConn;

  constructor(conn: Deno.TcpConn, direction: "up" | "down") {
    this.#conn = conn;
    const over = () => void (this.endedAt = Date.now());
    (direction === "up" ? this.#send() : this.#receive()).then(over, over);
  }

  async #send(): Promise<void> {
    const bytes = new Uint8Array(65_536).fill(1);
    for (;; this.moved += bytes.length) await writeAll(this.#conn, bytes);
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    await writeAll(this.#conn, Uint8Array.of(0));
    for (let count; (count = await this.#conn.read(buffer)) !== null;) this.moved += count;
  }
}

/** Waits until something holds. Fails after so long (ms). */
async function until(holds: () => boolean, timeout: number, what: () => string): Promise<void> {
  for (const end = Date.now() + timeout; !holds();) {
    assert(Date.now() < end, what());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until a new connection carries bytes there and back. */
async function untilUsable(port: number, timeout: number, what: () => string): Promise<void> {
  for (const end = Date.now() + timeout;;) {
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, 1000, false));
    // The first byte is 200: the target echoes.
    if (await Promise.race([exchange(port, 200, 1000).then(() => true, () => false), late])) return;
    assert(Date.now() < end, what());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** How long (ms) it may take until the end is noticed, and until the new end is used. */
const SECONDS = 15_000;

interface Scenario {
  readonly client: Player;
  readonly server: Player;
  readonly killed: Side;
  readonly direction: "up" | "down";
  /** How long (ms) the end is away. */
  readonly pause: number;
}

async function play({ client, server, killed, direction, pause }: Scenario): Promise<void> {
  await using target = endlessTarget();
  const [udp, tcp] = [freeUdpPort(), freeTcpPort()];
  const args = {
    client: ["-l", `127.0.0.1:${tcp}`, "-r", `127.0.0.1:${udp}`],
    server: ["-l", `127.0.0.1:${udp}`, "-t", `127.0.0.1:${target.port}`],
  };
  const players = { client, server };
  await using near = await start("client", client, args.client);
  await using far = await start("server", server, args.server);
  const conn = await dial(tcp);
  try {
    const transfer = new Transfer(conn, direction);
    await until(() => transfer.moved > 5_000_000, 30_000, () => "nothing is carried");
    assert(transfer.endedAt === 0);
    const victim = killed === "client" ? near : far;
    victim.kill("SIGKILL");
    await victim.status;
    await new Promise((resolve) => setTimeout(resolve, pause));
    await using again = await start(killed, players[killed], args[killed]);
    const began = Date.now();
    const log = () => `--- client\n${near.log}\n--- server\n${far.log}\n--- again\n${again.log}`;
    await untilUsable(tcp, SECONDS, log);
    const ended = () => transfer.endedAt > 0;
    await until(ended, began + SECONDS - Date.now(), log);
  } finally {
    closeConn(conn);
  }
}

for (const direction of ["up", "down"] as const) {
  for (const pause of direction === "up" ? [0] : [0, 4000]) {
    for (const server of ["theirs", "ours"] as const) {
      kcptunTest(
        `ours to ${server}, ${direction}: a server that is away for ${pause} ms`,
        () => play({ client: "ours", server, killed: "server", direction, pause }),
      );
    }
  }
  for (
    const [client, server] of [["ours", "ours"], ["ours", "theirs"], ["theirs", "ours"]] as const
  ) {
    kcptunTest(
      `${client} to ${server}, ${direction}: a client that is started again`,
      () => play({ client, server, killed: "client", direction, pause: 0 }),
    );
  }
}
