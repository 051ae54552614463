import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "../../../crypt/crc32.ts";
import { SnappyDecoder, SnappyError } from "../../../examples/kcptun/snappy/decoder.ts";
import { SnappyEncoder, STREAM_IDENTIFIER } from "../../../examples/kcptun/snappy/encoder.ts";
import {
  decodeChunk,
  encodeChunk,
  MAX_BLOCK,
  MAX_BODY,
} from "../../../examples/kcptun/snappy/kernel.ts";
import { Random } from "../../../transport/link/random.ts";
import { fromBase64, fromHex, readVectors, type SnappyVectors } from "../../vectors/vectors.ts";

const { streams, blocks } = readVectors("snappy.json");

function dataOf({ length, text, random }: SnappyVectors["streams"][0]["writes"][0]): Uint8Array {
  if (random !== undefined) return fromBase64(random);
  const unit = new TextEncoder().encode(text);
  return Uint8Array.from({ length }, (_, i) => unit[i % unit.length]);
}

function concat(pieces: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Encodes several writes into one stream. */
function encode(writes: Uint8Array[]): Uint8Array {
  const encoder = new SnappyEncoder();
  return concat(writes.map((write) => {
    const output = new Uint8Array(SnappyEncoder.maxLength(write.length));
    return output.subarray(0, encoder.encode(write, output));
  }));
}

/** Decodes a stream that arrives in pieces, and is read into a buffer of a certain length. */
function decode(
  stream: Uint8Array,
  cut: () => number = () => stream.length,
  room = 5000,
  decoder = new SnappyDecoder(),
): Uint8Array {
  const found: Uint8Array[] = [];
  const buffer = new Uint8Array(room);
  for (let at = 0; at < stream.length;) {
    const piece = stream.subarray(at, at + cut());
    for (let taken = 0; taken < piece.length;) {
      taken += decoder.write(piece.subarray(taken));
      while (decoder.readable) found.push(buffer.slice(0, decoder.read(buffer)));
    }
    at += piece.length;
  }
  return concat(found);
}

/** A chunk with a header. */
function chunk(type: number, body: Uint8Array, length = body.length): Uint8Array {
  const header = [type, length & 255, length >> 8 & 255, length >> 16];
  return concat([Uint8Array.from(header), body]);
}

/** The masked CRC-32C, bit by bit. */
function maskedCrc(bytes: Uint8Array): Uint8Array {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  crc = ~crc;
  const masked = ((crc >>> 15 | crc << 17) + 0xa282ead8) | 0;
  const body = new Uint8Array(4);
  new DataView(body.buffer).setInt32(0, masked, true);
  return body;
}

for (const { name, writes, bytes } of streams) {
  Deno.test(`snappy: a stream of golang/snappy is decoded: ${name}`, () => {
    const expected = concat(writes.map(dataOf));
    const stream = fromBase64(bytes);
    assertEquals(decode(stream), expected);
    const random = new Random(7);
    assertEquals(decode(stream, () => 1 + random.below(40), 7), expected);
    assertEquals(decode(stream, () => 1), expected);
  });

  Deno.test(`snappy: what is encoded is decoded again, and is about as short: ${name}`, () => {
    const data = writes.map(dataOf);
    const stream = encode(data);
    assertEquals(decode(stream), concat(data));
    const reference = fromBase64(bytes).length;
    assert(stream.length <= 1.05 * reference, `${stream.length} bytes, Go has ${reference}`);
  });
}

Deno.test("snappy: the checksum of every length is right, where the method changes, too", () => {
  const lengths = [[1, 70], [600, 900], [4090, 4110], [65_520, 65_536]].flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i)
  );
  const random = new Random(3);
  const bytes = Uint8Array.from({ length: MAX_BLOCK }, () => random.below(256));
  for (const length of lengths) {
    const data = bytes.subarray(0, length);
    const expected = maskedCrc(data);
    // A writer and a reader have work areas of their own.
    assertEquals(encodeChunk(data).slice(4, 8), expected, `written, ${length} bytes`);
    assertEquals(decodeChunk(concat([expected, data]), false), data, `read, ${length} bytes`);
  }
});

Deno.test("snappy: the kernel judges blocks as golang/snappy does", () => {
  let valid = 0;
  for (const { block, decoded } of blocks) {
    if (decoded === null) {
      const body = concat([new Uint8Array(4), fromHex(block)]);
      assertEquals(decodeChunk(body, true), "corrupt", block);
    } else {
      const body = concat([maskedCrc(fromHex(decoded)), fromHex(block)]);
      const found = decodeChunk(body, true);
      assertEquals(found instanceof Uint8Array ? found.toHex() : found, decoded, block);
      valid++;
    }
  }
  assert(valid > 50 && valid < blocks.length - 50);
});

Deno.test("snappy: random data of every kind survives, in pieces of every length", () => {
  const random = new Random(3);
  for (let run = 0; run < 200; run++) {
    const alphabet = 1 + random.below(random.below(2) ? 4 : 256);
    const writes = Array.from({ length: 1 + random.below(4) }, () => {
      const length = random.below(random.below(4) ? 3000 : 140_000);
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        // Runs and references far back, as well as fresh bytes.
        const back = 1 + random.below(40_000);
        bytes[i] = random.below(8) && i >= back ? bytes[i - back] : random.below(alphabet);
      }
      return bytes;
    });
    const stream = encode(writes);
    const cut = 1 + random.below(9000);
    const decoder = new SnappyDecoder();
    const decoded = decode(stream, () => 1 + random.below(cut), 1 + random.below(9000), decoder);
    assertEquals(crc32(decoded), crc32(concat(writes)), `run ${run}`);
    assertEquals(decoded.length, concat(writes).length);
    assert(decoder.complete);
  }
});

Deno.test("snappy: each write can be decoded before the next one", () => {
  const encoder = new SnappyEncoder();
  const decoder = new SnappyDecoder();
  const buffer = new Uint8Array(100);
  for (const length of [1, 2, 50, 99]) {
    const output = new Uint8Array(SnappyEncoder.maxLength(length));
    const end = encoder.encode(new Uint8Array(length).fill(length), output);
    assertEquals(decoder.write(output.subarray(0, end)), end);
    assertEquals(decoder.read(buffer), length);
    assertEquals(decoder.read(buffer), 0);
  }
  assertEquals(encoder.encode(new Uint8Array(), buffer), 0);
});

Deno.test("snappy: data that can't be compressed costs 8 bytes a block", () => {
  const noise = new Uint8Array(2 * MAX_BLOCK);
  const random = new Random(1);
  for (let i = 0; i < noise.length; i++) noise[i] = random.below(256);
  assertEquals(encode([noise]).length, SnappyEncoder.maxLength(noise.length));
  assertEquals(SnappyEncoder.maxLength(noise.length), 10 + 2 * 8 + noise.length);
});

const text = new TextEncoder().encode("the same words and the same words and the same words");
const plain = concat([maskedCrc(text), text]);

Deno.test("snappy: unknown chunks that may be skipped are skipped, whatever their length", () => {
  const padding = chunk(0xfe, new Uint8Array(200_000));
  const stream = concat([
    STREAM_IDENTIFIER,
    padding,
    chunk(0x80, new Uint8Array()),
    STREAM_IDENTIFIER,
    chunk(1, plain),
    chunk(0xfd, text),
    chunk(1, plain),
  ]);
  assertEquals(decode(stream, () => 1000), concat([text, text]));
});

Deno.test("snappy: an empty block is no end", () => {
  const empty = concat([maskedCrc(new Uint8Array()), Uint8Array.of(0)]);
  const stream = concat([
    STREAM_IDENTIFIER,
    chunk(0, empty),
    chunk(1, empty.subarray(0, 4)),
    chunk(1, plain),
  ]);
  assertEquals(decode(stream), text);
});

const flipped = plain.slice();
flipped[20] ^= 1;
const compressed = encode([text]).subarray(10);
const wrongSum = compressed.slice();
wrongSum[4] ^= 1;
const wrongBlock = compressed.slice();
wrongBlock[8] = 100;

for (
  const [name, stream, message] of [
    ["no identifier", chunk(1, plain), "begins with a chunk of type 1"],
    ["plain smux", Uint8Array.of(1, 0, 0, 0, 3, 0, 0, 0), "--nocomp"],
    ["another identifier", concat([chunk(0xff, text.subarray(0, 6))]), "not that of Snappy"],
    ["a long identifier", chunk(0xff, text), "has 52 bytes"],
    ["a flipped bit", concat([STREAM_IDENTIFIER, chunk(1, flipped)]), "checksum"],
    ["another checksum", concat([STREAM_IDENTIFIER, wrongSum]), "checksum"],
    ["a block that is too long", concat([STREAM_IDENTIFIER, wrongBlock]), "not valid"],
    ["a reserved type", concat([STREAM_IDENTIFIER, chunk(0x02, plain)]), "reserved type 2"],
    ["a reserved type", concat([STREAM_IDENTIFIER, chunk(0x7f, plain)]), "reserved type 127"],
    ["no checksum", concat([STREAM_IDENTIFIER, chunk(0, text, 3)]), "has 3 bytes"],
    [
      "a compressed chunk that is too long",
      concat([STREAM_IDENTIFIER, chunk(0, text, MAX_BODY + 1)]),
      `has ${MAX_BODY + 1} bytes`,
    ],
    [
      "an uncompressed chunk that is too long",
      concat([STREAM_IDENTIFIER, chunk(1, text, MAX_BLOCK + 5)]),
      `has ${MAX_BLOCK + 5} bytes`,
    ],
  ] as const
) {
  Deno.test(`snappy: an error that says what is wrong: ${name}, ${message}`, () => {
    const decoder = new SnappyDecoder();
    const error = assertThrows(() => decode(stream, undefined, 5000, decoder), SnappyError);
    assert(error.message.includes(message), error.message);
    // The error stays: nothing behind it is taken for data.
    assertThrows(() => decoder.write(STREAM_IDENTIFIER), SnappyError);
    assertThrows(() => decoder.read(new Uint8Array(1)), SnappyError);
    assert(!decoder.complete);
  });
}

Deno.test("snappy: the longest chunks that are allowed are taken", () => {
  const zeros = new Uint8Array(MAX_BLOCK);
  const sum = maskedCrc(zeros);
  assertEquals(decode(concat([STREAM_IDENTIFIER, chunk(1, concat([sum, zeros]))])), zeros);
  // Literals of one byte each take two bytes: a block that is longer than what is in it.
  const data = new Uint8Array((MAX_BODY - 4 - 3) >> 1);
  const length = [128 | data.length & 127, 128 | data.length >> 7 & 127, data.length >> 14];
  const block = concat([Uint8Array.from(length), new Uint8Array(2 * data.length)]);
  const stream = concat([STREAM_IDENTIFIER, chunk(0, concat([maskedCrc(data), block]))]);
  assertEquals(decode(stream), data);
});

Deno.test("snappy: a decoder takes nothing more while a block waits to be read", () => {
  const decoder = new SnappyDecoder();
  const stream = concat([STREAM_IDENTIFIER, chunk(1, plain), chunk(1, plain)]);
  const first = STREAM_IDENTIFIER.length + 4 + plain.length;
  assertEquals(decoder.write(stream), first);
  assertEquals(decoder.write(stream.subarray(first)), 0);
  assertEquals(decoder.read(new Uint8Array(10)), 10);
  assertEquals(decoder.write(stream.subarray(first)), 0);
  assertEquals(decoder.read(new Uint8Array(100)), text.length - 10);
  assertEquals(decoder.write(stream.subarray(first)), 4 + plain.length);
});

Deno.test("snappy: damaged streams are errors, or give what was written before the damage", () => {
  const random = new Random(11);
  const whole = concat([text, text, text, text]);
  const stream = encode([text, text, text, text]);
  for (let run = 0; run < 2000; run++) {
    const damaged = stream.slice();
    for (let n = random.below(3); n >= 0; n--) {
      damaged[random.below(damaged.length)] ^= 1 << random.below(8);
    }
    const decoder = new SnappyDecoder();
    const found: number[] = [];
    const buffer = new Uint8Array(64);
    try {
      for (let at = 0; at < damaged.length;) {
        at += decoder.write(damaged.subarray(at));
        while (decoder.readable) found.push(...buffer.subarray(0, decoder.read(buffer)));
      }
    } catch (error) {
      assert(error instanceof SnappyError, String(error));
    }
    // A chunk may have become one to skip. All others are whole or are errors.
    assertEquals(found.length % text.length, 0);
    assertEquals(Uint8Array.from(found), whole.subarray(0, found.length));
  }
});
