/**
 * Faults that end processes, move them, or change their settings.
 *
 * @module
 */
import type { KcpLiveOptions } from "../../../kcp/mod.ts";
import type { End } from "./end.ts";
import type { Process } from "./process.ts";
import type { EndName, Fault } from "./scenario.ts";
import type { World } from "./world.ts";

type Restart = Extract<Fault, { kind: "restart" }>;

/** Ends a process; the next incarnation starts `down` ms later. */
export function restart(world: World, fault: Restart): void {
  if (fault.end === "client") restartClient(world, fault);
  else restartServer(world, fault);
}

function restartClient(world: World, { how, down, samePort, sameConv }: Restart): void {
  const { client } = world;
  if (!client?.process.alive || client.process.leaving) return;
  const gone = replace(world, client.process, down, () => {
    const port = samePort ? client.port : undefined;
    world.dial(client.slot, port, sameConv ? client.conv : undefined);
  });
  if (how === "vanish") {
    gone();
    return;
  }
  leave(world, client.end, how);
  client.end.connection.closed.then(gone, gone);
}

function restartServer(world: World, { how, down }: Restart): void {
  const { server, listener } = world;
  if (!server?.alive || server.leaving) return;
  const gone = replace(world, server, down, () => world.startServer());
  if (how === "vanish") {
    gone();
    return;
  }
  const ends = world.ends.filter(({ process }) => process === server);
  for (const end of ends) leave(world, end, how);
  listener.close();
  server.closesAt = world.now;
  // Connections of strangers may keep its socket open for longer.
  Promise.allSettled(ends.map(({ connection }) => connection.closed)).then(gone);
}

/** Returns what kills the process, and starts the next one later. */
function replace(world: World, process: Process, down: number, start: () => void): () => void {
  process.leaving = true;
  const release = world.hold();
  return () => {
    process.kill();
    noteAcknowledged(world, process);
    // Who was not answered yet has no peer so far, and may be served by the next incarnation.
    for (const end of world.ends) {
      const { acknowledged } = end.connection.stats;
      if (end.peerProcess === process && !end.peer && acknowledged === 0) end.peerProcess = null;
    }
    if (down === Infinity) {
      release();
      return;
    }
    world.network.schedule(world.now + down, () => {
      start();
      release();
    });
  };
}

/** Notes at which ends a process that was killed has acknowledged all but the end of the stream. */
function noteAcknowledged(world: World, process: Process): void {
  const ends = world.ends.filter((end) => end.peerProcess === process);
  // Its last acknowledgments are under way.
  world.network.schedule(world.now + world.scenario.oneWay + 1, () => {
    for (const { out, outcome, connection } of ends) {
      const { inFlight, sndQueue } = connection.stats;
      const missing = inFlight + sndQueue;
      if (!outcome && missing <= (out.endedAt < Infinity ? 1 : 0)) {
        out.acknowledgedAtKill = out.written;
      }
    }
  });
}

/** The application of an end aborts its connections with the client that faults concern. */
export function abort(world: World, name: EndName): void {
  const { client } = world;
  if (!client?.process.alive) return;
  const ends = name === "client"
    ? [client.end]
    : world.ends.filter((end) => end.process === world.server && end.peer === client.end);
  for (const end of ends) {
    if (end.isOver || !end.process.runs) continue;
    end.abortedAt = world.now;
    leave(world, end, "abort");
  }
}

/** The application leaves a connection before its program is done. */
function leave(world: World, end: End, how: "abort" | "close"): void {
  end.closedAt = Math.min(end.closedAt, world.now);
  end.in.left = true;
  if (how === "abort") {
    end.connection.abort();
    return;
  }
  end.out.endedAt = Math.min(end.out.endedAt, world.now);
  end.connection.close();
}

/** Changes the client's address. */
export function rebind(world: World): void {
  const { client } = world;
  if (!client?.process.alive || client.process.closed) return;
  world.move(client);
  client.history.movedAt = world.now;
  client.history.disturb(world.now);
  client.end.movedAt = world.now;
  if (world.scenario.server.migrate) return;
  for (const end of world.ends) {
    if (end === client.end || end.peerProcess === client.process) end.lostPeerAt = world.now;
  }
}

/** Changes settings of the present connection of an end. */
export function configure(world: World, name: EndName, change: KcpLiveOptions): void {
  const end = world.ends.findLast((each) => each.name === name && !each.isOver);
  if (!end?.process.runs) return;
  world.noteInterval(name, change.interval ?? 0);
  try {
    end.connection.configure(change);
  } catch (error) {
    // An MTU that leaves no room for the encryption.
    if (!(error instanceof RangeError)) world.threw(error);
  }
}
