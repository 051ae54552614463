/**
 * Who talks with whom: known by the conversation when a server accepts, and for certain by the first byte
 * that an end reads.
 *
 * @module
 */
import type { End } from "./end.ts";
import { remembers } from "./rules.ts";
import type { World } from "./world.ts";

/** A server accepted a connection of a client: the only one with its conversation. */
export function pairAccepted(end: End, client: End): void {
  client.peerProcess ??= end.process;
  end.peer = client;
  end.peerProcess = client.process;
  if (!client.peer || !client.peer.process.alive && client.out.readers.length === 0) {
    client.peer = end;
  }
}

/** An end has read its first byte: its peer is known. Rules `once` and `exactness`. */
export function pairByBytes(end: End, world: World): void {
  const from = end.in.from!;
  const writer = from.end;
  if (writer === end) return;
  world.log?.(`${world.now} ${end.label} reads ${writer.label}`);
  const { migrate } = world.scenario.server;
  for (const { end: other } of from.readers) {
    // A client that moves is another one to a server that follows nobody, or has ended its session.
    const moved = writer.movedAt > -Infinity && (!migrate || other.outcome !== null);
    if (other !== end && other.process === end.process && remembers(world.scenario) && !moved) {
      world.fail("once", `${end.label} and ${other.label} both read ${writer.label}`);
    }
  }
  const meant = end.name === "client"
    ? writer.in.from
    : end.out.readers.find((reader) => reader.end !== writer)?.end.out;
  if (meant && meant.end !== (end.name === "client" ? end : writer)) {
    world.fail(
      "exactness",
      `${end.label} reads ${writer.label}, whose connection was with ${meant.end.label}`,
    );
  }
  end.peer = writer;
  end.peerProcess = writer.process;
  if (end.name === "server" && end.createdAt >= writer.movedAt) writer.lostPeerAt = Infinity;
  const { peer } = writer;
  const known = peer && peer.in.from !== null && peer.process.alive &&
    peer.lostPeerAt === Infinity && writer.lostPeerAt === Infinity;
  if (known) return;
  writer.peer = end;
  // A new server took the conversation of one that had acknowledged nothing.
  if (writer.connection.stats.acknowledged === 0) writer.peerProcess = end.process;
}
