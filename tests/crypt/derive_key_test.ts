import { assertEquals, assertThrows } from "@std/assert";
import { sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { deriveKey } from "../../crypt/derive_key.ts";
import { bytes } from "./harness.ts";

Deno.test("derive key: keys equal those of golang.org/x/crypto/pbkdf2", () => {
  assertEquals(
    deriveKey("it's a secrect"),
    bytes("25d7d7bd51050742d8d791f2b653c6c8b2366b7e25a124cf7a2e12eaf4ffa444"),
    "kcptun's default password",
  );
  assertEquals(
    deriveKey(""),
    bytes("b23383c32eefa3753ab6db6e639a0ddc3b50ec6b6c623c9171a15ba0879945cd"),
  );
  const text = "пароль 🔑";
  const expected = bytes("9f62454b5cdd866b8645cefffcf50d301fc50b256b9300ff03fd2742ea7face8");
  assertEquals(deriveKey(text), expected);
  assertEquals(deriveKey(new TextEncoder().encode(text)), expected, "a string is encoded as UTF-8");
});

Deno.test("derive key: keys equal those of the runtime's PBKDF2, for any bytes", async () => {
  for (const length of [1, 20, 63, 64, 65, 200]) {
    const password = Uint8Array.from({ length }, (_, i) => 255 - 3 * i);
    const before = password.slice();
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const bits = await crypto.subtle.deriveBits(
      {
        name: "PBKDF2",
        hash: "SHA-1",
        salt: new TextEncoder().encode("kcp-go"),
        iterations: 4096,
      },
      key,
      256,
    );
    assertEquals(deriveKey(password), new Uint8Array(bits), `${length} bytes`);
    assertEquals(password, before, "the password must not change");
  }
});

Deno.test("derive key: the PBKDF2 that it calls passes RFC 6070", () => {
  const vectors: [string, string, number, string][] = [
    ["password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"],
    ["password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"],
    ["password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"],
    [
      "passwordPASSWORDpassword",
      "saltSALTsaltSALTsaltSALTsaltSALTsalt",
      4096,
      "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
    ],
    ["pass\0word", "sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"],
  ];
  for (const [password, salt, c, expected] of vectors) {
    assertEquals(
      pbkdf2(sha1, password, salt, { c, dkLen: expected.length / 2 }),
      bytes(expected),
      `${password}, ${c} rounds`,
    );
  }
});

Deno.test("derive key: a password that is neither a string nor bytes is rejected", () => {
  for (const password of [undefined, null, 5, [1, 2], new ArrayBuffer(4)]) {
    assertThrows(
      () => deriveKey(password as unknown as string),
      TypeError,
      "allowed are a string or a Uint8Array",
    );
  }
});
