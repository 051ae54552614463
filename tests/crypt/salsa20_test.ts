import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { crc32 } from "../../crypt/crc32.ts";
import { Salsa20Cipher } from "../../crypt/salsa20.ts";
import { Random } from "../../transport/link/random.ts";
import { bytes } from "./harness.ts";

/** The key stream: the bytes after the first 8 of a sealed packet of zeros with this nonce. */
function keyStream(
  key: Uint8Array,
  nonce: Uint8Array,
  length: number,
  at = 0,
  portable = false,
): Uint8Array {
  const memory = new Uint8Array(at + 8 + length + 3);
  memory.set(nonce, at);
  new Salsa20Cipher(key, portable).seal(memory, at, at + 8 + length);
  assertEquals(memory.slice(at, at + 8), nonce, "the nonce of Salsa20 must not be encrypted");
  assertEquals(memory.slice(at + 8 + length), new Uint8Array(3));
  // Bytes 16 to 19 of the packet are the checksum of the zeros.
  const checksum = crc32(new Uint8Array(length - 12));
  for (let i = 0; i < 4; i++) memory[at + 16 + i] ^= checksum >>> 8 * i;
  return memory.slice(at + 8, at + 8 + length);
}

Deno.test("salsa20: ECRYPT's test vectors for 256 bits, set 1 vector 0 and set 5 vector 0", () => {
  const key = new Uint8Array(32);
  key[0] = 0x80;
  const first = [
    [
      0,
      "e3be8fdd8beca2e3ea8ef9475b29a6e7003951e1097a5c38d23b7a5fad9f6844" +
      "b22c97559e2723c7cbbd3fe4fc8d9a0744652a83e72a9c461876af4d7ef1a117",
    ],
    [
      192,
      "57be81f47b17d9ae7c4ff15429a73e10acf250ed3a90a93c711308a74c6216a9" +
      "ed84cd126da7f28e8abf8bb63517e1ca98e712f4fb2e1a6aed9fdc73291faa17",
    ],
    [
      256,
      "958211c4ba2ebd5838c635edb81f513a91a294e194f1c039aeec657dce40aa7e" +
      "7c0af57cacefa40c9f14b71a4b3456a63e162ec7d8d10b8ffb1810d71001b618",
    ],
    [
      448,
      "696afcfd0cddcc83c7e77f11a649d79acdc3354e9635ff137e929933a0bd6f53" +
      "77efa105a3a4266b7c0d089d08f1e855cc32b15b93784a36e56a76cc64bc8477",
    ],
  ] as const;
  // The packet may be at any offset. Aligned words are read in another way.
  for (let at = 0; at < 10; at++) {
    const stream = keyStream(key, new Uint8Array(8), 512, at >> 1, at % 2 === 1);
    for (const [from, expected] of first) {
      assertEquals(stream.slice(from, from + 64), bytes(expected), `from ${from}, at ${at >> 1}`);
    }
  }
  assertEquals(
    keyStream(new Uint8Array(32), bytes("8000000000000000"), 64),
    bytes(
      "2aba3dc45b4947007b14c851cd694456b303ad59a465662803006705673d6c3e" +
        "29f1d3510dfc0405463c03414e0e07e359f1f1816c68b2434a19d3eee0464873",
    ),
  );
});

Deno.test("salsa20: a sealed packet opens, but not if its payload was changed", () => {
  const cipher = new Salsa20Cipher(new Uint8Array(32).fill(3));
  assertEquals([cipher.nonceSize, cipher.headroom, cipher.tailroom], [16, 20, 0]);
  const packet = Uint8Array.from({ length: 77 }, (_, i) => i);
  cipher.seal(packet, 0, 77);
  const altered = packet.slice();
  altered[70] ^= 0x10;
  assertFalse(cipher.open(altered, 0, 77));
  assertEquals(altered, new Uint8Array(77), "the packet must be filled with zeros");
  assert(cipher.open(packet, 0, 77));
  assertEquals(packet.slice(20), Uint8Array.from({ length: 57 }, (_, i) => 20 + i));
});

Deno.test("salsa20: only keys of 32 bytes are allowed (kcp-go pads shorter ones)", () => {
  for (const length of [0, 16, 31, 33]) {
    assertThrows(
      () => new Salsa20Cipher(new Uint8Array(length)),
      RangeError,
      `Cannot key Salsa20 with ${length} bytes: allowed are 32`,
    );
  }
});

Deno.test("salsa20: kernel and noble give the same packets, for all lengths up to 1500", () => {
  const random = new Random("salsa20");
  const ciphers = [1, 2, 3].map((seed) => {
    const key = random.fork(`${seed}`).fill(new Uint8Array(32));
    return [new Salsa20Cipher(key), new Salsa20Cipher(key, true)];
  });
  for (const [fast, portable] of ciphers) {
    assertEquals([fast.accelerated, portable.accelerated], [true, false], "Deno has SIMD");
  }
  for (let length = 20; length <= 1500; length++) {
    // Three keys alternate, and packets are at any offset.
    const [fast, portable] = ciphers[length % 3];
    const at = length & 7;
    const packet = random.fill(new Uint8Array(length + 16)) as Uint8Array<ArrayBuffer>;
    const other = packet.slice();
    fast.seal(packet, at, at + length);
    portable.seal(other, at, at + length);
    assertEquals(packet, other, `${length} bytes`);
    assert(fast.open(packet, at, at + length));
  }
});

Deno.test("salsa20: a packet too long for the kernel is sealed without it", () => {
  for (const length of [65_507, 126_000, 130_000, 200_000]) {
    const key = new Uint8Array(32).fill(5);
    const packet = new Uint8Array(length);
    const other = new Uint8Array(length);
    new Salsa20Cipher(key).seal(packet, 0, length);
    new Salsa20Cipher(key, true).seal(other, 0, length);
    assert(packet.every((byte, i) => byte === other[i]), `${length} bytes`);
  }
});

Deno.test("salsa20: sealing several packets at once equals sealing each", () => {
  const random = new Random("batch");
  for (let round = 0; round < 200; round++) {
    const key = random.fill(new Uint8Array(32));
    const count = 1 + random.below(12);
    const starts = new Int32Array(count + 2), ends = new Int32Array(count + 2);
    let at = random.below(9);
    for (let i = 1; i <= count; i++) {
      at += random.chance(0.3) ? random.below(40) : 0;
      starts[i] = at;
      // Some rounds have far more packets than fit into one call, and packets too long for the
      // kernel.
      at += 20 + random.below(random.chance(0.5) ? 30 : round % 20 === 0 ? 90_000 : 1500);
      ends[i] = at;
    }
    const memory = new Uint8Array(at + 20);
    for (let i = 0; i < memory.length; i++) memory[i] = i * 31 + round;
    const expected = memory.slice();
    const portable = new Salsa20Cipher(key, true);
    for (let i = 1; i <= count; i++) portable.seal(expected, starts[i], ends[i]);
    new Salsa20Cipher(key).sealAll(memory, starts, ends, 1, count + 1);
    assert(memory.every((byte, i) => byte === expected[i]), `round ${round}`);
  }
});

Deno.test("salsa20: packets of the same length at once equal noble's, for all lengths up to 1500", () => {
  const random = new Random("equal lengths");
  const key = random.fill(new Uint8Array(32));
  const fast = new Salsa20Cipher(key), portable = new Salsa20Cipher(key, true);
  for (let length = 20; length <= 1500; length++) {
    // An odd number of packets, some with a gap between them. Behind the last one, nothing changes.
    const count = length % 4 === 0 ? 3 : 2;
    const gap = length % 3 === 0 ? random.below(300) : 0;
    const starts = new Int32Array(count), ends = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      starts[i] = (length & 7) + i * (length + gap);
      ends[i] = starts[i] + length;
    }
    const memory = random.fill(new Uint8Array(ends[count - 1] + 16)) as Uint8Array<ArrayBuffer>;
    const expected = memory.slice();
    fast.sealAll(memory, starts, ends, 0, count);
    for (let i = 0; i < count; i++) portable.seal(expected, starts[i], ends[i]);
    assertEquals(memory, expected, `${count} packets of ${length} bytes`);
    const opened = new Uint8Array(count);
    fast.openAll(memory, starts, ends, 0, count, opened);
    assertEquals([...opened], new Array(count).fill(1), `${count} packets of ${length} bytes`);
    for (let i = 0; i < count; i++) portable.open(expected, starts[i], ends[i]);
    assertEquals(memory, expected);
    // The payload of one packet is changed: only this one does not open.
    if (length === 20) continue;
    fast.sealAll(memory, starts, ends, 0, count);
    const changed = random.below(count);
    memory[ends[changed] - 1] ^= 1;
    fast.openAll(memory, starts, ends, 0, count, opened);
    assertEquals([...opened], Array.from(opened, (_, i) => i === changed ? 0 : 1));
  }
});
