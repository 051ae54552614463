import { type Core, protocolError } from "./core.ts";
import { MuxError } from "./errors.ts";
import {
  CMD_FIN,
  CMD_NOP,
  CMD_PSH,
  CMD_SYN,
  CMD_UPD,
  HEADER_SIZE,
  readInt32,
  UPD_SIZE,
} from "./frame.ts";
import { CODE_FLOW, NOTE_ABORT, NOTE_STOP, NoteAssembler, type NoteReader } from "./note.ts";
import type { Refusals } from "./refusals.ts";
import { Stream } from "./stream.ts";

/** What the receiving half asks of its machine. */
export interface InboundOwner {
  /** A stream of the peer waits to be accepted. */
  announced(): void;
  /** The peer broke the protocol, or has closed the session. */
  ended(error: MuxError): void;
}

/** The receiving half: takes the bytes of the connection below apart, and gives data to streams. */
export class Inbound implements NoteReader {
  readonly #core: Core;
  readonly #refusals: Refusals;
  readonly #owner: InboundOwner;
  /** The header that is being received, and how much of it has come. */
  readonly #header = new Uint8Array(HEADER_SIZE);
  #headerSize = 0;
  /** The frame whose payload is being received. */
  #cmd = 0;
  #sid = 0;
  /** Payload bytes that are missing. */
  #remaining = 0;
  /** Where the data goes. Null: it is dropped. */
  #stream: Stream | null = null;
  /** Payload of a window update. */
  readonly #update = new Uint8Array(UPD_SIZE);
  readonly #notes: NoteAssembler = new NoteAssembler(this);
  /** Whether bytes could not be taken because the receive buffer was full. */
  full = false;
  /** Whether bytes could not be taken because too many refusals wait to be sent. */
  refusing = false;

  constructor(core: Core, refusals: Refusals, owner: InboundOwner) {
    this.#core = core;
    this.#refusals = refusals;
    this.#owner = owner;
  }

  /** Takes bytes. Returns how many were taken: all, unless memory is missing. */
  take(bytes: Uint8Array): number {
    const { length } = bytes;
    const core = this.#core;
    let at = 0;
    this.full = this.refusing = false;
    while (at < length && !core.closed) {
      if (this.#remaining === 0) {
        if (this.#refusals.full) {
          this.refusing = true;
          break;
        }
        at = this.#takeHeader(bytes, at);
      } else if (this.#cmd === CMD_PSH) {
        const taken = this.#takeData(bytes, at);
        if (taken === 0) break;
        at += taken;
      } else {
        at = this.#takeUpdate(bytes, at);
      }
    }
    core.memory.endCopy();
    core.stats.bytesReceived += at;
    return core.closed ? length : at;
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const present = this.#headerSize;
    if (present === 0 && at + HEADER_SIZE <= bytes.length) {
      this.#frame(bytes, at);
      return at + HEADER_SIZE;
    }
    const count = Math.min(HEADER_SIZE - present, bytes.length - at);
    for (let i = 0; i < count; i++) this.#header[present + i] = bytes[at + i];
    this.#headerSize = present + count;
    if (this.#headerSize === HEADER_SIZE) {
      this.#headerSize = 0;
      this.#frame(this.#header, 0);
    }
    return at + count;
  }

  /** A header is complete. */
  #frame(bytes: Uint8Array, at: number): void {
    const { stats, options, streams } = this.#core;
    const version = bytes[at];
    const cmd = bytes[at + 1];
    const length = bytes[at + 2] | bytes[at + 3] << 8;
    const sid = readInt32(bytes, at + 4);
    if (version !== options.version) {
      this.#violation(
        version === 1 || version === 2
          ? `it speaks version ${version}, this side speaks version ${options.version}`
          : `there is no version ${version}`,
      );
      return;
    }
    stats.framesReceived++;
    this.#cmd = cmd;
    this.#sid = sid;
    this.#remaining = length;
    if (cmd !== CMD_NOP && this.#notes.busy) this.#notes.interrupt();
    if (cmd === CMD_PSH) {
      if (length === 0) stats.emptyFrames++;
      else this.#stream = streams.get(sid) ?? null;
    } else if (cmd <= CMD_NOP) {
      if (length !== 0) {
        this.#violation(`a frame of command ${cmd} has ${length} bytes of payload`);
      } else if (cmd === CMD_SYN) this.#syn(sid);
      else if (cmd === CMD_FIN) this.#fin(sid);
      else this.#notes.add(sid);
    } else if (cmd === CMD_UPD && options.version === 2) {
      if (length !== UPD_SIZE) this.#violation(`a window update has ${length} bytes of payload`);
    } else {
      this.#violation(`there is no command ${cmd} in version ${version}`);
    }
  }

  #violation(what: string): void {
    this.#remaining = 0;
    this.#owner.ended(protocolError(what));
  }

  #syn(sid: number): void {
    const core = this.#core;
    const { options, stats } = core;
    if ((sid & 1) === (options.client ? 1 : 0)) {
      this.#violation(
        `it opens stream ${sid >>> 0}, whose id belongs to this side: is ${
          options.client ? "it a client" : "it a server"
        }, too?`,
      );
      return;
    }
    if (core.streams.has(sid)) {
      stats.duplicateSyns++;
      return;
    }
    if (
      core.closing || core.accepting.size >= options.acceptBacklog ||
      core.incoming >= options.maxIncomingStreams
    ) {
      stats.refused++;
      this.#refusals.add(sid);
      return;
    }
    const stream = new Stream(core, sid >>> 0, true, null, 0);
    core.add(stream);
    core.accepting.add(stream);
    this.#owner.announced();
  }

  #fin(sid: number): void {
    const stream = this.#core.streams.get(sid);
    if (stream) stream.arriveEnd();
    else this.#core.stats.strayFrames++;
  }

  /** Takes data of a stream. Returns 0 if the receive buffer is full. */
  #takeData(bytes: Uint8Array, at: number): number {
    const { memory, stats } = this.#core;
    const stream = this.#stream;
    const length = Math.min(this.#remaining, bytes.length - at);
    if (stream === null || !stream.receiving) {
      this.#remaining -= length;
      if (stream?.receivedEnd) stats.bytesAfterEnd += length;
      else stats.strayBytes += length;
      stream?.discard(length);
      return length;
    }
    const room = memory.room;
    if (room === 0) {
      this.full = true;
      return 0;
    }
    const offset = memory.copied(bytes, at);
    const count = Math.min(length, room, memory.copiedTo - at);
    this.#remaining -= count;
    if (stream.arrive(offset, count)) {
      stats.dataReceived += count;
    } else {
      stats.overruns++;
      stats.strayBytes += count;
      stream.abandon(
        new MuxError("flow", "The peer sent more data than the window of the stream allows"),
        CODE_FLOW,
      );
    }
    return count;
  }

  /** Takes the payload of a window update. Returns the offset behind it. */
  #takeUpdate(bytes: Uint8Array, at: number): number {
    const done = UPD_SIZE - this.#remaining;
    const count = Math.min(this.#remaining, bytes.length - at);
    for (let i = 0; i < count; i++) this.#update[done + i] = bytes[at + i];
    this.#remaining -= count;
    if (this.#remaining === 0) this.#updated();
    return at + count;
  }

  #updated(): void {
    const { streams, stats } = this.#core;
    const stream = streams.get(this.#sid);
    if (!stream) {
      stats.strayFrames++;
    } else if (!stream.update(readInt32(this.#update, 0), readInt32(this.#update, 4))) {
      stats.overruns++;
      const message = "The peer says that it has read more than was sent";
      stream.abandon(new MuxError("flow", message), CODE_FLOW);
    }
  }

  onNote(note: number, id: number, code: number): void {
    const stream = this.#core.streams.get(id);
    if (!stream) {
      this.#core.stats.strayFrames++;
      return;
    }
    if (note !== NOTE_STOP) stream.arriveReset(code);
    if (note === NOTE_STOP || note === NOTE_ABORT) stream.arriveStop(code);
  }

  onCloseNote(code: number, reason: string): void {
    const words = reason === "" ? "" : `: ${reason}`;
    const message = `The peer closed the session with code ${code}${words}`;
    this.#owner.ended(new MuxError("reset", message, { closeCode: code, reason }));
  }
}
