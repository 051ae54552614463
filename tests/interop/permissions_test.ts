/**
 * Which sockets `listen` and `connect` open by themselves, in processes with the flags of Deno.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";

const SCRIPT = new URL("permissions_script.ts", import.meta.url).pathname;
const IMPORTS = new URL("../std/import_map.json", import.meta.url).pathname;
const HOST = "--allow-net=127.0.0.1";

/** Runs the script. It can't be asked for a permission: its input is closed. */
async function run(
  flags: readonly string[],
  ...args: string[]
): Promise<{ out: string; error: string }> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    // The folder's deno.json would set `unstable`.
    args: ["run", "--no-config", "--no-lock", "--no-check", `--import-map=${IMPORTS}`]
      .concat(flags, SCRIPT, args),
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { out: text(stdout), error: text(stderr) };
}

const all = (adapter: string) => `hello ${adapter} ${adapter} ${adapter}`;
const LINUX = Deno.build.os === "linux" ? all("linux") : all("deno");

for (
  const [flags, expected] of [
    [["-A", "--unstable-net"], LINUX],
    [["--allow-net", "--allow-ffi", "--unstable-net"], LINUX],
    [["--allow-net", "--unstable-net"], all("deno")],
    [["--allow-net", "--allow-ffi=libc.so.6", "--unstable-net"], all("deno")],
    [[HOST, "--allow-ffi", "--unstable-net"], all("deno")],
    [[HOST, "--unstable-net"], all("deno")],
    [["-A", "--deny-net=192.0.2.1", "--unstable-net"], all("deno")],
    [["-A", "--deny-ffi", "--unstable-net"], all("deno")],
    [["-A", "--deny-ffi=/nowhere.so", "--unstable-net"], all("deno")],
  ] as const
) {
  Deno.test(`permissions: ${flags.join(" ")}: ${expected}`, async () => {
    const { out, error } = await run(flags);
    assertEquals(out, expected, error);
    assertEquals(error, "");
  });
}

Deno.test({
  name: "permissions: on Linux, -A needs no --unstable-net",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { out, error } = await run(["-A"]);
    assertEquals(out, LINUX, error);
  },
});

Deno.test("permissions: with neither, the error names --unstable-net", async () => {
  const { out, error } = await run(["--allow-net"]);
  assertEquals(out, "");
  assert(error.includes("--unstable-net"), error);
});

Deno.test("permissions: an open connection lives on when the program gives up all it has", async () => {
  const { out, error } = await run(["-A", "--unstable-net"], "revoke");
  assertEquals(out, LINUX, error);
});
