/**
 * The machine of the mux alone on a connection: what was read goes in, what comes out is written. So
 * the tests compare the machine with smux, with nothing else between.
 *
 * @module
 */
import {
  MuxMachine,
  type MuxMachineOptions,
  type MuxMachineStream,
  OutputBatch,
} from "../../transport/mux/machine/mod.ts";
import type { OurMux, OurStream } from "./mux_streams.ts";

/** A connection of bytes: TCP's or KCP's. */
interface Bytes {
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

/** Bytes that are written at a time. */
const ROOM = 65_536 + 8;

/** Something to wait for, again and again. */
class Signal {
  #wake = Promise.withResolvers<void>();

  get next(): Promise<void> {
    return this.#wake.promise;
  }

  fire = (): void => {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  };
}

/** A machine on a connection. */
export class MachineMux implements OurMux {
  readonly machine: MuxMachine;
  /** Settles with the error of the session, or null. */
  readonly closed: Promise<Error | null>;
  readonly #conn: Bytes;
  readonly #incoming = new Signal();
  readonly #output = new Signal();
  readonly #receptive = new Signal();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(conn: Bytes, options: MuxMachineOptions) {
    this.#conn = conn;
    this.machine = new MuxMachine(options, performance.now());
    this.machine.handler = {
      onIncoming: this.#incoming.fire,
      onOutput: this.#output.fire,
      onReceptive: this.#receptive.fire,
      onEnd: () => {
        this.#incoming.fire();
        this.#output.fire();
        this.#receptive.fire();
      },
    };
    const reading = this.#read();
    this.closed = this.#write().then(async () => {
      clearTimeout(this.#timer);
      // smux still tells that it reads. A connection of TCP that were closed would answer with a reset,
      // and smux would lose what it has not read.
      await conn.closeWrite().catch(() => {});
      reading.finally(() => conn.close());
      return this.machine.error;
    });
  }

  async #read(): Promise<void> {
    const { machine } = this;
    const buffer = new Uint8Array(65_536);
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        for (let at = 0; at < count;) {
          at += machine.input(buffer.subarray(at, count), performance.now());
          this.#schedule();
          if (at < count && !machine.receptive) await this.#receptive.next;
        }
      }
      machine.inputEnd(performance.now());
    } catch (error) {
      machine.fail(error);
    }
  }

  async #write(): Promise<void> {
    const { machine } = this;
    const batch = new OutputBatch();
    const bytes = new Uint8Array(ROOM);
    for (;;) {
      const count = machine.output(batch, ROOM, performance.now());
      this.#schedule();
      if (count === 0) {
        if (machine.state === "closed") return;
        await this.#output.next;
        continue;
      }
      batch.copyTo(bytes, 0);
      machine.release(batch);
      try {
        for (let at = 0; at < count;) at += await this.#conn.write(bytes.subarray(at, count));
      } catch (error) {
        return machine.fail(error);
      }
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const { deadline } = this.machine;
    if (deadline === Infinity) return;
    this.#timer = setTimeout(() => {
      this.machine.tick(performance.now());
      this.#schedule();
    }, Math.max(0, deadline - performance.now()));
  }

  createBidirectionalStream(): Promise<OurStream> {
    return Promise.resolve(new MachineStream(this.machine.open()));
  }

  async accept(): Promise<OurStream | null> {
    for (;;) {
      const stream = this.machine.accept();
      if (stream) return new MachineStream(stream);
      if (this.machine.state !== "open") return null;
      await this.#incoming.next;
    }
  }

  close(): void {
    this.machine.close();
    this.#output.fire();
  }
}

class MachineStream implements OurStream {
  readonly id: number;
  readonly #stream: MuxMachineStream;
  readonly #changed = new Signal();

  constructor(stream: MuxMachineStream) {
    this.id = stream.id;
    this.#stream = stream;
    stream.handler = { onReadable: this.#changed.fire, onWritable: this.#changed.fire };
  }

  async read(p: Uint8Array): Promise<number | null> {
    const stream = this.#stream;
    while (stream.readable === 0) {
      if (stream.readEnded) return null;
      if (stream.readError) throw stream.readError;
      await this.#changed.next;
    }
    return stream.read(p, performance.now());
  }

  async write(p: Uint8Array): Promise<number> {
    const stream = this.#stream;
    const end = stream.sent + stream.queued + p.length;
    stream.write(p);
    while (stream.sent < end) {
      if (stream.writeError) throw stream.writeError;
      await this.#changed.next;
    }
    return p.length;
  }

  closeWrite(): void {
    this.#stream.closeWrite();
  }

  abort(): void {
    this.#stream.reset();
  }
}
