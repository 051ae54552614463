import { assert, assertEquals, assertFalse, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  CIPHER_NAMES,
  type CipherName,
  createCipher,
  createCipherFromPassword,
  deriveKey,
  type PacketCipher,
} from "../../crypt/mod.ts";
import { bytes } from "./harness.ts";

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The allowed lengths of a key in bytes, up to 64. */
const KEY_SIZES: Record<CipherName, number[]> = {
  "aes-128": [16],
  "aes-192": [24],
  "aes-256": [32],
  "sm4": [16],
  "twofish": [16, 24, 32],
  "3des": [24],
  "blowfish": Array.from({ length: 56 }, (_, i) => i + 1),
  "cast5": [16],
  "tea": [16],
  "xtea": [16],
  "salsa20": [32],
  "xor": Array.from({ length: 64 }, (_, i) => i + 1),
  "none": Array.from({ length: 65 }, (_, i) => i),
  "aes-128-gcm": [16],
  "aes-192-gcm": [24],
  "aes-256-gcm": [32],
  "chacha20-poly1305": [32],
};

/**
 * Packets that kcp-go v5.6.72 seals with the key that kcptun derives from "it's a secrect": a
 * packet with 37 bytes of payload, and the SHA-256 of packets with 1380 and 2000 bytes. The packets
 * of the ciphers that authenticate are from Go's crypto/cipher and golang.org/x/crypto, which
 * kcp-go calls.
 */
const SEALED_BY_GO: Record<CipherName, [string, string, string]> = {
  "aes-128": [
    "dcc4c190d948c29d266574a8ebf5821752e6518befa1730823bbbe5805881a58d18e8e08672b6ce7" +
    "f25a2ea2f29ee125cd1205a48c8fd94062",
    "cdcb6d9b118b494f0816fe7942a7d742ac458b7a33799c13dd876730f545111e",
    "8a2593fea5a7b4216d796308c7484b452f79fb68e9b7b146241f755541bae9ce",
  ],
  "aes-192": [
    "b8c878c09c48af36a316fe00392b036e01a810ec68df442b08b89a4cfd8d00cf62d25e73cd4153ee" +
    "0ba456925bf567170602e33fb6d141ce4b",
    "858bf79c50f194b95ca3726054648d7a3fcd044297a5b4062ee26dfa679a831a",
    "99e53b42dfba2d28bfebe383998a11cdb736bbd642ca4e92a9643e49c190c687",
  ],
  "aes-256": [
    "87906274720877f328821eef8bd6189fe9c418ea2e21b10f5eaa810774ac3987cdf6e65d6a8bc809" +
    "6431058e1b61a4b7463b06f42a48f22e90",
    "51594ffb1188a42cedf2fe25311e2c9157fb3de8e7dbee0fecf3ce4a43e5fdf9",
    "b96414bc73ceaf43ee91bee1eec4fce91071aede719171faefe028c4b68ed206",
  ],
  "sm4": [
    "0253c5789870da5dd870d4106abd044224c3e45c416996491e6c7eed3e3d65304aac69425196c102" +
    "2f90559552954385b8772e1d86f0574ba0",
    "fbdd55ea696c41b46bac4548ca8166f87cacc7384a35c09889582730c8b7cbc6",
    "a04ec38c5f19a8663ef91893f6d824320b7d3e3deb6f85b4a75ec0e1ba40628e",
  ],
  "twofish": [
    "78b347bd9cc78647f5e20ec2d568f16a1bd9348e6b9d40fa0c4cb1b91c3168b3a14f02fbbf8d339b" +
    "dcc1b1978e5ef9d0675aee25564698068e",
    "e3f6d02ae64fc66bfadac01c7ad67e47f3bd4864b14169d6b9a6c68864e6784b",
    "de12d5d474989a30228fecda220d22fa60a73d1adcc14d2db246a257763e73d8",
  ],
  "3des": [
    "5cd97c78eddc0bb35a4be444249e397a4b69ddc48f92c4b8787a0f09bd2b277c88a9180f8eccb35a" +
    "ac598a1d4f5f1911cf4fd12d88f32e2767",
    "f9071071fe3ea672ada8c790d9174c76a7a35d3341e1d91cf230cf947a8ac246",
    "5762505c416224b1cf9a8a5839b1aea23a598474db8ebd6d131fdf08b246a994",
  ],
  "blowfish": [
    "1974b607104564212060421af936372a1e63f09ad59a3847adc44aa343278197f0a3ebbaf0a125e2" +
    "0cbc81db763ab7bfd59114cfc83e05db2f",
    "b3f02d4402f7d9ebb91b21ca2f9cca579efa3608ffb8c45f4899301dd13c8876",
    "0a6c086c4330744e0fc4e0c80a81ed5f198372edc2270bb405e307e3328ed186",
  ],
  "cast5": [
    "ba9cac1548b3726338944ab44a2ce8cbc1e33392155ab95d77b9f05e023bfd7489169dfbbc40a543" +
    "b0b61cb9b7e20b70c9299523ad1ed49260",
    "7fca4d4eef1386a3bc17adf42f70b35592e066fa3dc9f8809129f2ec575e8c96",
    "da6c78bd7178a2e3be8c3ab3d94fc79ce87d021795a6e703a1cd0e6fb4b3feaf",
  ],
  "tea": [
    "fd8f6f83e9ba3154ef7af7a93ce3262f86f667c6605aea0b2a4c5390ec11d3411629ccfbf9a12907" +
    "687617ba20a186e3e54dab3f30cfa2c434",
    "b20082c89003ca2718c98dad069887219b517c548df9ae88014c5a3e9a75607e",
    "ea9488272f1ca3e8495dfd2c58c940a384d42ca763316cea7e26351bd9e5f27a",
  ],
  "xtea": [
    "083648be02de9a25eb64fb3e183521a676b1355bc9a0a9585e1474ec41a89a25b5a0566f2b7efa71" +
    "096440f798d4664b0232b823476b819754",
    "0f47a2a81dc3022ace139cbfecb19ec6882ef2422f2106c9bd2e9492638abb91",
    "b9be79038cbab026c115cc859eead62332410e6b74408a824a5456081344331a",
  ],
  "salsa20": [
    "0112233445566778ef50cd2061a5086a39bc98f4fa6bb669f46a195d94875698ec25e2a77dc623d0" +
    "64b75a27196d2eedc1ffdd7c0fe41137c6",
    "c224ed62c368b9add14681a260d1493a1e0d7242f0f1f5b3fecc9a6ec37227e8",
    "38dc8567bfd266f1f860a9991a500f7e2c25a9638e69b7330c3c5a6c96308fb9",
  ],
  "xor": [
    "0eecaab3e8c21209dde3b07437df592cdf59a23fb19f510bd27412882438e5dca7f1035334e192c6" +
    "aa364d53359d83c228710b9f10e4d15806",
    "95c3ec63fa6d56730d5eaeab009d08e348e187b5710658c28a8d3be8c2617cdc",
    "4dfdd14b07854b7442a5f6c6f3938e51802cb1a7957dc113d66020830ce85819",
  ],
  "none": [
    "0112233445566778899aabbccddeef00b497a339030a11181f262d343b424950575e656c737a8188" +
    "8f969da4abb2b9c0c7ced5dce3eaf1f8ff",
    "1ebaedd2e74573ca7726d34a65a7e2f8d82d207ec71e69616ead401e1a594541",
    "ea742a1467f01b23795779cbd6efd8a5c5ad13c9f816bcd68796472224231823",
  ],
  "aes-128-gcm": [
    "0112233445566778899aabbcc20491e9f2d29dba92185702d0ff8f7ee8c6392799781bcc478b7a51" +
    "b907db96eb1f95fdcd39d7139bc6056e4d4363b8abe1a8e329",
    "a845682912548d5386c14425f5e347c1eb6010ebf0dc9aafd265fefc6662c05a",
    "246dfa2fbca2b5ce30f38f3baadef350b92f0f6de4c8061ebb5511020ca7d27a",
  ],
  "aes-192-gcm": [
    "0112233445566778899aabbc9e18147135d80f37b5463176bac9584cb5e725ff20d7e06ffdc5708b" +
    "c79ffb160b51177c4abe04f86a913c77ee0a953216f1173013",
    "dfa39df4f48acd04ab8a77575e2f47b61a6693668f94cc256283620614fd152d",
    "3785e42195cfe38e09d8c3dd54fb0348246069979e548c7f8c4e90ee49de857c",
  ],
  "aes-256-gcm": [
    "0112233445566778899aabbc6f214ee6f4f62146d15d47d19109ad0c0c7b1cfe295a9f5d45c71f15" +
    "3de4b1c37f50c801677f88016d4ce9e4f051b98a5f13325a5c",
    "2540af7081f4580b19feab94f5b3ae5c484725bb196ad0645f0b30ef477cd4df",
    "86de470cd00f288d0b9c196d2699642bdd66f0c84295c74995e0d18f52eb6ba7",
  ],
  "chacha20-poly1305": [
    "0112233445566778899aabbc141f21ddc412a960f89bf55f8a0a9335f03ce51d477cfbb45abc0d99" +
    "38adcd8c908a2946161950f74b93fcd0af0bb939b4436bd56e",
    "bfca1e826f69d37952b91a1bfe16d1d6f18ae9a27c58cb745862eef80714f2c4",
    "0db9d4f3a5eebe244dd6aae37d9d2b49c2e2f7132918c12a938f8522f08a7584",
  ],
};

/** A packet with the same content as in the Go program that made the vectors. */
function packetFor(cipher: PacketCipher, length: number): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(cipher.headroom + length + cipher.tailroom);
  for (let i = 0; i < cipher.nonceSize; i++) packet[i] = 17 * i + 1;
  for (let i = 0; i < length; i++) packet[cipher.headroom + i] = 7 * i + 3;
  return packet;
}

/** All ciphers, with keys as kcptun derives them. */
const ALL = CIPHER_NAMES.map((name) => createCipherFromPassword(name, "it's a secrect"));

Deno.test("create cipher: packets equal those of kcp-go, with keys of kcptun", async () => {
  for (const cipher of ALL) {
    const [short, long, longer] = SEALED_BY_GO[cipher.name as CipherName];
    const packet = packetFor(cipher, 37);
    cipher.seal(packet, 0, packet.length);
    assertEquals(hexadecimal(packet), short, cipher.name);
    for (const [length, expected] of [[1380, long], [2000, longer]] as const) {
      const packet = packetFor(cipher, length);
      cipher.seal(packet, 0, packet.length);
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", packet));
      assertEquals(hexadecimal(hash), expected, `${cipher.name}, ${length} bytes`);
    }
  }
});

Deno.test("create cipher: packets of kcp-go open", () => {
  for (const cipher of ALL) {
    const packet = bytes(SEALED_BY_GO[cipher.name as CipherName][0]);
    assert(cipher.open(packet, 0, packet.length), cipher.name);
    const { headroom } = cipher;
    assertEquals(
      packet.slice(headroom, headroom + 37),
      packetFor(cipher, 37).slice(headroom, headroom + 37),
      cipher.name,
    );
  }
});

Deno.test("create cipher: short keys that kcp-go allows", () => {
  const sealed = (name: CipherName) => {
    const cipher = createCipher(name, new Uint8Array([7]));
    const packet = packetFor(cipher, 12);
    cipher.seal(packet, 0, packet.length);
    return hexadecimal(packet);
  };
  assertEquals(sealed("xor"), "1c2965908542012a19e619653dfbf2115528444cf560766496e525b9b4e395c6");
  assertEquals(
    sealed("blowfish"),
    "1b53a7fc5cfe3669af4edcffce25920ebfca4995b503dcebaa841d9479cfc2bb",
  );
});

Deno.test("create cipher: nonceSize, headroom and tailroom are right", () => {
  for (const { name, nonceSize, headroom, tailroom, authenticates } of ALL) {
    assertEquals(
      { nonceSize, headroom, tailroom, authenticates },
      /gcm|poly1305/.test(name)
        ? { nonceSize: 12, headroom: 12, tailroom: 16, authenticates: true }
        : { nonceSize: 16, headroom: 20, tailroom: 0, authenticates: false },
      name,
    );
  }
});

Deno.test("create cipher: packets open at any offset, and no byte around them changes", () => {
  for (const cipher of ALL) {
    const { headroom, tailroom, nonceSize } = cipher;
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.uint8Array({ minLength: nonceSize, maxLength: nonceSize }),
        fc.nat(7),
        fc.nat(7),
        (payload, nonce, offset, start) => {
          const end = start + headroom + payload.length + tailroom;
          const all = new Uint8Array(offset + end + 9).fill(0x5a);
          const memory = all.subarray(offset, offset + end + 4);
          memory.set(nonce, start);
          memory.set(payload, start + headroom);
          cipher.seal(memory, start, end);
          const opened = all.slice(offset, offset + end + 4);
          assert(cipher.open(opened, start, end));
          assertEquals(
            Array.from(opened.subarray(start + headroom, end - tailroom)),
            Array.from(payload),
          );
          assertEquals(Array.from(opened.subarray(start, start + nonceSize)), Array.from(nonce));
          // The bytes before and after the packet, in its array and in the buffer of the array.
          const around = [...all.subarray(0, offset + start), ...all.subarray(offset + end)];
          assertEquals(around, Array(offset + start + 9).fill(0x5a));
          const inside = [...opened.subarray(0, start), ...opened.subarray(end)];
          assertEquals(inside, Array(start + 4).fill(0x5a));
        },
      ),
      { numRuns: 40 },
    );
  }
});

Deno.test("create cipher: payloads of all lengths up to a few blocks, and of 65507 bytes", () => {
  for (const cipher of ALL) {
    const { headroom, tailroom } = cipher;
    for (const length of [...Array(70).keys(), 65_507 - headroom - tailroom]) {
      const packet = packetFor(cipher, length);
      const plain = packet.slice(headroom, headroom + length);
      cipher.seal(packet, 0, packet.length);
      if (length > 8 && cipher.name !== "none") {
        const sealed = packet.slice(headroom, headroom + length);
        assert(sealed.some((byte, i) => byte !== plain[i]), `${cipher.name} encrypts ${length}`);
      }
      assert(cipher.open(packet, 0, packet.length), `${cipher.name}, ${length} bytes`);
      assertEquals(packet.slice(headroom, headroom + length), plain);
    }
  }
});

Deno.test("create cipher: ciphers do not share state", () => {
  const again = CIPHER_NAMES.map((name) => createCipherFromPassword(name, "it's a secrect"));
  const sealed = ALL.map((cipher) => {
    const packet = packetFor(cipher, 50);
    cipher.seal(packet, 0, packet.length);
    return packet;
  });
  for (let i = 0; i < ALL.length; i++) {
    const other = packetFor(again[i], 99);
    again[i].seal(other, 0, other.length);
    assert(again[i].open(sealed[i], 0, sealed[i].length), "another instance with the same key");
    assertEquals(
      sealed[i].slice(again[i].headroom, again[i].headroom + 50),
      packetFor(again[i], 50).slice(again[i].headroom, again[i].headroom + 50),
    );
    assert(ALL[i].open(other, 0, other.length), CIPHER_NAMES[i]);
  }
});

Deno.test("create cipher: a packet that is too short does not open, and seal throws", () => {
  for (const cipher of ALL) {
    const least = cipher.headroom + cipher.tailroom;
    const memory = new Uint8Array(3 * least).fill(1);
    for (let length = 0; length < least; length++) {
      assertFalse(cipher.open(memory, least, least + length), `${cipher.name}, ${length} bytes`);
      assertThrows(
        () => cipher.seal(memory, least, least + length),
        RangeError,
        `Cannot seal ${length} bytes with ${cipher.name}: allowed are ${least} or more`,
      );
    }
    assertEquals(memory, new Uint8Array(3 * least).fill(1), "the memory must not change");
    cipher.seal(memory, least, 2 * least);
    assert(cipher.open(memory, least, 2 * least), "a packet without payload is valid");
  }
});

Deno.test("create cipher: random bytes do not open, and never throw", () => {
  for (const cipher of ALL) {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 21, maxLength: 90 }), (packet) => {
        assertFalse(cipher.open(packet as Uint8Array<ArrayBuffer>, 0, packet.length));
      }),
      // A random checksum is right with probability 2^-32. The seed is fixed, so none is.
      { numRuns: 100, seed: 1 },
    );
  }
});

Deno.test("create cipher: packets do not open with another key", () => {
  for (const name of CIPHER_NAMES) {
    if (name === "none") continue;
    const cipher = createCipherFromPassword(name, "another password");
    const packet = bytes(SEALED_BY_GO[name][0]);
    assertFalse(cipher.open(packet, 0, packet.length), name);
  }
});

Deno.test("create cipher: keys of other lengths are rejected", () => {
  const names = new Map<string, string>([
    ["twofish", "16, 24 or 32"],
    ["blowfish", "1 to 56"],
    ["xor", "1 or more"],
  ]);
  for (const name of CIPHER_NAMES) {
    const allowed = KEY_SIZES[name];
    for (let length = 0; length <= 64; length++) {
      const create = () => createCipher(name, new Uint8Array(length).fill(length));
      if (allowed.includes(length)) {
        assertEquals(create().name, name);
      } else {
        const message = `Cannot key ${name} with ${length} bytes: allowed are ` +
          (names.get(name) ?? allowed[0]);
        const error = assertThrows(create, RangeError) as RangeError;
        assertEquals(error.message, message);
      }
    }
  }
});

Deno.test("create cipher: the key is copied", () => {
  for (const name of CIPHER_NAMES) {
    const memory = new Uint8Array(100);
    const key = memory.subarray(7, 7 + KEY_SIZES[name].at(-1)!);
    key.set(deriveKey("it's a secrect").subarray(0, key.length));
    const [cipher, same] = [createCipher(name, key), createCipher(name, key.slice())];
    memory.fill(0);
    const packet = packetFor(cipher, 40);
    cipher.seal(packet, 0, packet.length);
    assert(same.open(packet, 0, packet.length), name);
  }
});

Deno.test("create cipher: only none works without a key, and it ignores a key", () => {
  for (const name of CIPHER_NAMES) {
    if (name === "none") {
      assertFalse(createCipher(name).authenticates);
      assertEquals(createCipher(name, new Uint8Array(5)).name, "none");
    } else {
      assertThrows(() => createCipher(name), TypeError, `Cannot key ${name}`);
    }
    for (const key of [null, "secret", 5, [1, 2], new ArrayBuffer(16), new Uint16Array(16)]) {
      assertThrows(
        () => createCipher(name, key as unknown as Uint8Array),
        TypeError,
        "it must be a Uint8Array",
      );
    }
  }
});

Deno.test("create cipher: an unknown name is rejected with the list of names", () => {
  for (const name of ["aes", "null", "", "AES-128", "toString", "__proto__", undefined, null, 3]) {
    for (const create of [createCipher, createCipherFromPassword]) {
      const error = assertThrows(
        () => create(name as CipherName, new Uint8Array(16)),
        TypeError,
      ) as TypeError;
      assertEquals(
        error.message,
        `Cannot create cipher ${name}: allowed are ${CIPHER_NAMES.join(", ")}`,
      );
    }
  }
  assertEquals(CIPHER_NAMES.toSorted(), Object.keys(KEY_SIZES).toSorted() as CipherName[]);
  assertThrows(() => (CIPHER_NAMES as CipherName[]).push("aes-128"), TypeError);
});

Deno.test("create cipher: a password may be bytes", () => {
  const text = createCipherFromPassword("aes-192", "pässword");
  const packet = packetFor(text, 10);
  text.seal(packet, 0, packet.length);
  const same = createCipherFromPassword("aes-192", new TextEncoder().encode("pässword"));
  assert(same.open(packet, 0, packet.length));
  const error = assertThrows(() => createCipherFromPassword("aes-192", 5 as unknown as string));
  assertInstanceOf(error, TypeError);
});
