/**
 * Two machines, or one and bytes written by hand.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  MuxMachine,
  type MuxMachineOptions,
  OutputBatch,
} from "../../../transport/mux/machine/mod.ts";

/** Everything that a machine has to send, as one piece of memory. */
export function drain(machine: MuxMachine, now = 0, room = Infinity): Uint8Array {
  const parts: Uint8Array[] = [];
  const batch = new OutputBatch();
  let total = 0;
  while (total < room && machine.output(batch, room - total, now) > 0) {
    const part = new Uint8Array(batch.bytes);
    batch.copyTo(part, 0);
    parts.push(part);
    total += part.length;
    machine.release(batch);
  }
  return concat(parts);
}

/** What a machine gives at one time. */
export function take(machine: MuxMachine, room: number, now = 0): Uint8Array {
  const batch = new OutputBatch();
  assertEquals(machine.output(batch, room, now), batch.bytes);
  const bytes = new Uint8Array(batch.bytes);
  batch.copyTo(bytes, 0);
  machine.release(batch);
  return bytes;
}

/** All parts, one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Bytes from text such as "02 00 0000 03000000". */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (two) => parseInt(two, 16));
}

/** A frame as smux writes it. */
export function frame(
  version: number,
  cmd: number,
  sid: number,
  data: Uint8Array | readonly number[] = [],
): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  bytes[1] = cmd;
  view.setUint16(2, data.length, true);
  view.setUint32(4, sid, true);
  bytes.set(data, 8);
  return bytes;
}

/** The payload of a window update. */
export function update(consumed: number, window: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, consumed, true);
  new DataView(bytes.buffer).setUint32(4, window, true);
  return bytes;
}

/** A frame that was parsed. */
export interface Parsed {
  readonly version: number;
  readonly cmd: number;
  readonly sid: number;
  readonly data: Uint8Array;
}

/** Takes complete frames apart. */
export function parse(bytes: Uint8Array): Parsed[] {
  const frames: Parsed[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint16(at + 2, true);
    frames.push({
      version: bytes[at],
      cmd: bytes[at + 1],
      sid: view.getUint32(at + 4, true),
      data: bytes.subarray(at + 8, at + 8 + length),
    });
    at += 8 + length;
    if (at > bytes.length) throw new Error("The last frame is not complete");
  }
  return frames;
}

/** Frames in a form that is easy to read in a failure: "SYN 3", "PSH 3 5", "UPD 3 5/65536". */
export function names(bytes: Uint8Array): string[] {
  return parse(bytes).map(({ cmd, sid, data }) => {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    switch (cmd) {
      case 0:
        return `SYN ${sid}`;
      case 1:
        return `FIN ${sid}`;
      case 2:
        return `PSH ${sid} ${data.length}`;
      case 3:
        return `NOP ${sid}`;
      case 4:
        return `UPD ${sid} ${view.getUint32(0, true)}/${view.getUint32(4, true)}`;
      default:
        return `${cmd} ${sid} ${data.length}`;
    }
  });
}

/** A client, unless the options say something else. */
export function machineOf(options: Partial<MuxMachineOptions> = {}): MuxMachine {
  return new MuxMachine({ client: true, ...options }, 0);
}

/** Two machines that reach each other at once. */
export class Pair {
  readonly client: MuxMachine;
  readonly server: MuxMachine;

  constructor(
    client: Partial<MuxMachineOptions> = {},
    server: Partial<MuxMachineOptions> = client,
  ) {
    this.client = new MuxMachine({ ...client, client: true }, 0);
    this.server = new MuxMachine({ ...server, client: false }, 0);
  }

  /** Moves bytes until neither has something to send. Both must take all. */
  run(now = 0): void {
    for (;;) {
      const up = drain(this.client, now);
      const down = drain(this.server, now);
      if (up.length === 0 && down.length === 0) return;
      assertEquals(this.server.input(up, now), up.length);
      assertEquals(this.client.input(down, now), down.length);
    }
  }
}

/** Bytes that differ from place to place. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Everything that can be read from a stream now. */
export function readAll(
  stream: { readable: number; read(target: Uint8Array): number },
): Uint8Array {
  const bytes = new Uint8Array(stream.readable);
  assertEquals(stream.read(bytes), bytes.length);
  return bytes;
}
