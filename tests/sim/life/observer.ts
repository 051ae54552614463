/**
 * Watches the packets and the timers of a run: what was lost, who was heard when.
 *
 * @module
 */
import type { End } from "./end.ts";
import type { History } from "./history.ts";
import type { Process, Surroundings } from "./process.ts";
import { Broken } from "./rules.ts";
import { convOf, describePacket, isAside, isQuotable, isReset } from "./wire.ts";
import { SERVER_ADDRESS, type World } from "./world.ts";

/** Timers that fire at one time, and in all, at most. */
const MAX_STEPS = 5_000;
const MAX_ALL_STEPS = 3_000_000;

/** What the processes of a run tell. */
export class Observer implements Surroundings {
  readonly world: World;
  #steps = 0;
  #stepsAt = -1;
  #allSteps = 0;

  constructor(world: World) {
    this.world = world;
  }

  get network() {
    return this.world.network;
  }

  threw(error: unknown): void {
    this.world.threw(error);
  }

  /** Whether a process is the server's, and the history of the path that its packet takes. */
  #path(from: Process, to: string): { server: boolean; history: History | undefined } {
    const server = from.address === SERVER_ADDRESS;
    return { server, history: this.world.clientAt(server ? to : from.address)?.history };
  }

  sends(from: Process, packet: Uint8Array, to: string): boolean {
    const { world } = this;
    const { server, history } = this.#path(from, to);
    world.moment(server ? "serverSends" : "clientSends");
    world.corrections.find(({ from: sender }) => sender === from)?.sent(packet);
    if (!server) world.faults.seen(packet);
    if (!world.faults.cuts(server ? "server" : "client", packet.length)) return true;
    history?.lose(world.now);
    if (!server) history?.clientSends(true);
    world.count("packets cut");
    world.log?.(`${world.now} cut: ${packet.length} bytes ${from.address} to ${to}`);
    return false;
  }

  left(from: Process, packet: Uint8Array, to: string, lost: boolean): void {
    const { world } = this;
    world.count("packets");
    if (world.log) this.#logPacket(from.address, to, packet, lost);
    const { server, history } = this.#path(from, to);
    if (!history) return;
    if (!server) history.clientSends(lost);
    if (!lost) {
      // The server learns of the new address only from a packet that arrives.
      if (!server && history.movedAt > history.spokeAt) {
        history.spokeAt = world.now;
        history.disturb(world.now + world.scenario.oneWay);
        world.expectMove(world.clientAt(from.address)!);
      }
      return;
    }
    world.count("packets lost");
    if (packet.length > (server ? world.down : world.up).options.mtu) history.tooLarge++;
    else history.lose(world.now);
  }

  #logPacket(from: string, to: string, packet: Uint8Array, lost: boolean): void {
    const { world } = this;
    const words = world.scenario.cipher === "none" ? describePacket(packet) : "encrypted";
    const fate = lost ? " LOST" : "";
    world.log?.(`${world.now} ${from} to ${to}: ${packet.length} bytes, ${words}${fate}`);
  }

  reached(process: Process, packet: Uint8Array, from: string): void {
    const { world } = this;
    const atServer = process.address === SERVER_ADDRESS;
    const open = world.scenario.cipher === "none";
    // Neither parity nor a datagram shows that a peer follows the conversation.
    if (open && isAside(packet)) return;
    // A reset ends the session, or counts as forged.
    if (open && isReset(packet)) return;
    const conv = open ? convOf(packet) : -1;
    if (!atServer) {
      const client = world.clientAt(process.address);
      if (client?.process === process) this.#heard(client.end, conv, client.history);
      return;
    }
    process.heardAt.set(from, process.localTime);
    if (open && isQuotable(packet) && !process.quotableAt.has(from)) {
      process.quotableAt.set(from, world.now);
    }
    const client = world.clientAt(from);
    if (!client) return;
    for (const end of world.ends) {
      if (end.process === process && end.peerProcess === client.process) {
        this.#heard(end, conv, client.history);
      }
    }
  }

  takes(process: Process, packet: Uint8Array, from: string): void {
    const { world } = this;
    const correction = world.corrections.find((each) => each.address === from);
    if (!correction || process.address !== SERVER_ADDRESS) return;
    // A connection that has ended restores nothing.
    const reader = world.ends.find((end) => end.peer?.process === correction.from);
    if (!reader?.outcome) correction.taken(packet);
  }

  #heard(end: End, conv: number, history: History): void {
    const { world } = this;
    if (conv >= 0 && conv !== end.conv || end.outcome) return;
    const note = () => {
      end.waits = false;
      end.heardAt = end.process.localTime;
      end.reachedAt = world.now;
      end.lostBefore = history.lost;
      // A wait may have begun with the timeout that this packet changes.
      end.rto = Math.max(end.rto, end.connection.stats.rto);
      if (world.now >= world.outageUntil) end.heardAgainAt = Math.min(end.heardAgainAt, world.now);
    };
    if (!end.process.frozen) {
      note();
      return;
    }
    if (end.waits) return;
    end.waits = true;
    end.process.at(world.now, note);
  }

  stepped(): void {
    const { now } = this.world;
    if (now > this.#stepsAt) {
      this.#stepsAt = now;
      this.#steps = 0;
    }
    if (++this.#steps > MAX_STEPS || ++this.#allSteps > MAX_ALL_STEPS) {
      throw new Broken("livelock", `${this.#steps} timers fired at ${now} ms`);
    }
  }
}
