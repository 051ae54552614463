import { assertEquals, assertThrows } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";
import { Twofish } from "../../crypt/twofish.ts";
import { bytes, testBlockCipher } from "./harness.ts";

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Encrypts the bytes of a block. Its words are little-endian. */
function encrypted(cipher: BlockCipher, plain: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const from = new DataView(plain.buffer);
  const block = Int32Array.from({ length: 4 }, (_, i) => from.getInt32(4 * i, true));
  cipher.encrypt(block);
  const to = new DataView(new ArrayBuffer(16));
  block.forEach((word, i) => to.setInt32(4 * i, word, true));
  return new Uint8Array(to.buffer);
}

/**
 * The ciphertexts of the submission's table test ecb_tbl.txt (paper, appendix B.2), by the length
 * of the key in bytes and the number of the step.
 */
const TABLE_TEST: Record<number, Record<number, string>> = {
  16: {
    1: "9f589f5cf6122c32b6bfec2f2ae8c35a",
    2: "d491db16e7b1c39e86cb086b789f5419",
    3: "019f9809de1711858faac3a3ba20fbc3",
    4: "6363977de839486297e661c6c9d668eb",
    5: "816d5bd0fae35342bf2a7412c246f752",
    6: "5449eca008ff5921155f598af4ced4d0",
    7: "6600522e97aeb3094ed5f92afcbcdd10",
    8: "34c8a5fb2d3d08a170d120ac6d26dbfa",
    9: "28530b358c1b42ef277de6d4407fc591",
    10: "8a8ab983310ed78c8c0ecde030b8dca4",
    48: "6b459286f3ffd28d49f15b1581b08e42",
    49: "5d9d4eeffa9151575524f115815a12e0",
  },
  24: {
    1: "efa71f788965bd4453f860178fc19101",
    2: "88b2b2706b105e36b446bb6d731a1e88",
    3: "39da69d6ba4997d585b6dc073ca341b2",
    4: "182b02d81497ea45f9daacdc29193a65",
    5: "7aff7a70ca2ff28ac31dd8ae5daaab63",
    6: "d1079b789f666649b6bd7d1629f1f77e",
    7: "3af6f7ce5bd35ef18bec6fa787ab506b",
    8: "ae8109bfda85c1f2c5038b34ed691bff",
    9: "893fd67b98c550073571bd631263fc78",
    10: "16434fc9c8841a63d58700b5578e8f67",
    48: "f0ab73301125fa21ef70be5385fb76b6",
    49: "e75449212beef9f4a390bd860a640941",
  },
  32: {
    1: "57ff739d4dc92c1bd7fc01700cc8216f",
    2: "d43bb7556ea32e46f2a282b7d45b4e0d",
    3: "90afe91bb288544f2c32dc239b2635e6",
    4: "6cb4561c40bf0a9705931cb6d408e7fa",
    5: "3059d6d61753b958d92f4781c8640e58",
    6: "e69465770505d7f80ef68ca38ab3a3d6",
    7: "5ab67a5f8539a4a5fd9f0373ba463466",
    8: "dc096bcd99fc72f79936d4c748e75af7",
    9: "c5a3e7cee0f1b7260528a68fb4ea05f2",
    10: "43d5cec327b24ab90ad34a79d0469151",
    48: "431058f4dbc7f734da4f02f04cc4f459",
    49: "37fe26ff1cf66175f5ddf4c33b97a205",
  },
};

for (const [length, steps] of Object.entries(TABLE_TEST)) {
  Deno.test(`twofish: the table test of the submission with keys of ${length} bytes`, () => {
    // Each step encrypts the last ciphertext. Its key is made of the ciphertexts before that one.
    const key = new Uint8Array(Number(length));
    let plaintext = new Uint8Array(16);
    for (let step = 1; step <= 49; step++) {
      const ciphertext = encrypted(new Twofish(key), plaintext);
      if (step in steps) assertEquals(hexadecimal(ciphertext), steps[step], `step ${step}`);
      key.copyWithin(16, 0);
      key.set(plaintext);
      plaintext = ciphertext;
    }
  });
}

Deno.test("twofish: the examples of the submission's ecb_ival.txt", () => {
  const key = "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff";
  const zero = new Uint8Array(16);
  for (
    const [length, ciphertext] of [
      [24, "cfd1d2e5a9be9cdf501f13b892bd2248"],
      [32, "37527be0052334b89f0cfccae87cfa20"],
    ] as const
  ) {
    const cipher = new Twofish(bytes(key).subarray(0, length));
    assertEquals(hexadecimal(encrypted(cipher, zero)), ciphertext);
  }
  assertEquals(
    hexadecimal(encrypted(new Twofish(zero), zero)),
    "9f589f5cf6122c32b6bfec2f2ae8c35a",
  );
});

Deno.test("twofish: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 8, 15, 17, 23, 25, 31, 33]) {
    assertThrows(
      () => new Twofish(new Uint8Array(length)),
      RangeError,
      `Cannot key Twofish with ${length} bytes: allowed are 16, 24 and 32`,
    );
  }
});

testBlockCipher("twofish", (key) => new Twofish(key), {
  keyLength: 32,
  blockSize: 16,
  littleEndian: true,
});
