/**
 * Whatever the path and the ways of reading and writing: each stream's bytes arrive exact, in order
 * and once, and everything ends.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type EndpointOptions, turbo } from "../../../mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { MuxListener, type MuxOptions, type MuxStream } from "../../../transport/mux.ts";
import { muxOver } from "../../../transport/mux/connect.ts";
import { openBeside } from "../../../transport/mux/conversations.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";

/** The bytes of a stream: they tell their place and their stream. */
function byteAt(stream: number, at: number): number {
  return (at * 31 + (at >>> 8) * 7 + stream * 101) & 0xff;
}

function bytesOf(stream: number, from: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => byteAt(stream, from + i));
}

/** Checks what arrives on a stream. */
class Receiver {
  readonly stream: number;
  length = 0;
  ended = false;
  constructor(stream: number) {
    this.stream = stream;
  }

  take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== byteAt(this.stream, this.length++)) {
        throw new Error(`Stream ${this.stream}: a wrong byte at ${this.length - 1}`);
      }
    }
  }
}

/** Writes bytes in one of all ways, piece by piece. */
async function writeSome(
  stream: MuxStream,
  name: number,
  length: number,
  random: Random,
): Promise<void> {
  const way = random.below(5);
  const writer = way === 4 ? stream.writable.getWriter() : null;
  for (let at = 0; at < length;) {
    const size = Math.min(length - at, 1 + random.below(random.chance(0.2) ? 100_000 : 3000));
    const bytes = bytesOf(name, at, size);
    if (way === 0) {
      at += await stream.write(bytes);
    } else if (way === 1) {
      await stream.writeAll(bytes);
      at += size;
    } else if (way === 2) {
      const cut = random.below(size + 1);
      await stream.writev([bytes.subarray(0, cut), new Uint8Array(), bytes.subarray(cut)]);
      at += size;
    } else if (way === 3) {
      const count = stream.tryWrite(bytes);
      at += count;
      if (count < size) await new Promise<void>((resolve) => stream.onWritable = resolve);
      stream.onWritable = null;
    } else {
      await writer!.write(bytes);
      at += size;
    }
    // The memory is free again.
    if (way !== 4) bytes.fill(0xee);
    if (random.chance(0.05)) stream.sendOrder = random.below(3);
  }
  await (writer ? writer.close() : stream.closeWrite());
}

/** Reads a stream to its end in one of all ways. */
async function readSome(stream: MuxStream, receiver: Receiver, random: Random): Promise<void> {
  const way = random.below(4);
  const buffer = new Uint8Array(1 + random.below(random.chance(0.5) ? 20_000 : 2000));
  if (way === 0) {
    for (let count; (count = await stream.read(buffer)) !== null;) {
      receiver.take(buffer.subarray(0, count));
    }
  } else if (way === 1) {
    for await (const chunk of stream.readable) receiver.take(chunk);
  } else if (way === 2) {
    const reader = stream.readable.getReader({ mode: "byob" });
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(buffer.length));
      if (value) receiver.take(value);
      if (done) break;
    }
  } else {
    await new Promise<void>((resolve, reject) => {
      stream.onReadable = () => {
        try {
          let count;
          while ((count = stream.tryRead(buffer))) receiver.take(buffer.subarray(0, count));
          if (count === null) resolve();
        } catch (error) {
          reject(error);
        }
      };
    });
  }
  receiver.ended = true;
}

/** Settings of a run, drawn from its seed. */
function drawOptions(
  random: Random,
): { mux: MuxOptions; server: MuxOptions; kcp: EndpointOptions } {
  const version = random.chance(0.7) ? 2 : 1;
  const sizes = (): MuxOptions => {
    const maxReceiveBuffer = 1 << (15 + random.below(8));
    return {
      maxFrameSize: random.chance(0.3) ? 1 + random.below(2000) : 65_535,
      maxReceiveBuffer,
      maxStreamBuffer: Math.max(1, maxReceiveBuffer >> random.below(6)),
      autoTune: random.chance(0.7),
      stallGrace: Infinity,
    };
  };
  const kcp = random.chance(0.5) ? turbo : { sndQueue: 255 };
  return { mux: { version, ...sizes() }, server: { version, ...sizes() }, kcp };
}

async function run(seed: number): Promise<void> {
  const random = new Random(`face ${seed}`);
  const { mux, server: serverOptions, kcp } = drawOptions(random);
  const link = {
    latency: random.below(50),
    loss: random.chance(0.5) ? 0.05 * random.next() : 0,
    bandwidth: random.chance(0.5) ? 200_000 + random.below(5_000_000) : Infinity,
    queueBytes: 100_000,
  };
  const network = new SimulatedNetwork({ seed, link });
  const at = { hostname: "10.0.0.1", port: 80 } as const;
  const listener = network.listen({ ...at, ...kcp });
  await network.run(async () => {
    const below = network.connect({ ...at, ...kcp });
    const sessions = random.chance(0.5) ? 1 : 2 + random.below(4);
    const beside = Array.from({ length: sessions - 1 }, (_, i) => openBeside(below, i + 1));
    const client = muxOver([below, ...beside], { ...mux, client: true });
    const muxes = new MuxListener(listener, { ...serverOptions, sessions });
    const server = await muxes.accept();
    const groups = [undefined, undefined, client.createSendGroup(), "files"];
    const count = 1 + random.below(12);
    const jobs: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const [opener, other] = random.chance(0.7) ? [client, server] : [server, client];
      const settings = { sendOrder: random.below(3), sendGroup: groups[random.below(4)] };
      const near = await opener.createBidirectionalStream(settings);
      const far = await other.accept();
      for (const [from, to, name] of [[near, far, 2 * i], [far, near, 2 * i + 1]] as const) {
        const length = random.chance(0.2) ? 0 : random.below(random.chance(0.2) ? 500_000 : 50_000);
        const receiver = new Receiver(name);
        jobs.push(writeSome(from, name, length, random.fork(`write ${name}`)));
        jobs.push(
          readSome(to, receiver, random.fork(`read ${name}`)).then(() => {
            assertEquals([receiver.length, receiver.ended], [length, true]);
          }),
        );
      }
      jobs.push(near.closed, far.closed);
    }
    await Promise.all(jobs);
    assertEquals([client.stats.streams, server.stats.streams], [0, 0]);
    client.close({ closeCode: 1 });
    assertEquals((await server.closed).closeCode, 1);
    assertEquals((await client.closed).closeCode, 1);
    assertEquals(below.state, "closed");
  }, 600_000).catch((error) => {
    throw new Error(`Seed ${seed}: ${error.message}`, { cause: error });
  });
}

const SEEDS = 15;

Deno.test(`mux: bytes are exact in ${SEEDS} runs of all ways to read and write`, async () => {
  for (let seed = 0; seed < SEEDS; seed++) await run(seed);
  assert(SEEDS > 0);
});
