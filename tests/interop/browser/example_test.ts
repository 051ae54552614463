/**
 * The page and the server of examples/browser in a real Chromium.
 *
 * @module
 */
import { assert } from "@std/assert";
import { Chromium } from "../../runtimes/chromium.ts";
import { makeCertificate } from "./certificate.ts";
import { bundle, chromiumIfAny } from "./site.ts";

const certificate = await makeCertificate();
const chromium = await chromiumIfAny();
const ROOT = new URL("../../../", import.meta.url).pathname;

Deno.test({
  name: "examples/browser: what is typed in the page comes back",
  ignore: !certificate || !chromium,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "kcp-browser-" });
    await Deno.writeTextFile(`${folder}/cert.pem`, certificate!.cert);
    await Deno.writeTextFile(`${folder}/key.pem`, certificate!.key);
    const page = new URL("../../../examples/browser/page.ts", import.meta.url);
    await Deno.writeTextFile(`${folder}/page.js`, await bundle(page));
    const flags = ["--no-check", "--no-lock", "--unstable-net", `--config=${ROOT}deno.json`];
    flags.push(`--import-map=${ROOT}tests/std/import_map.json`);
    flags.push("--allow-net=127.0.0.1", `--allow-read=${folder}`);
    const args = ["run", ...flags, `${ROOT}examples/browser/server.ts`, folder, "0"];
    const server = new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    try {
      const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
      let printed = "";
      let address: string | undefined;
      while (!(address = /open (http:\S+)/.exec(printed)?.[1])) {
        const { value, done } = await lines.read();
        assert(!done, `the server printed: ${printed}`);
        printed += value;
      }
      await using browser = await Chromium.launch(chromium!);
      const shown = await browser.open(address);
      const text = `document.querySelector("pre").textContent`;
      const until = async (part: string) => {
        for (let left = 500; left > 0; left--) {
          if ((await shown.evaluate<string>(text)).includes(part)) return;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        assert(false, `the page shows: ${await shown.evaluate(text)}; ${shown.log}`);
      };
      await until("connected, ");
      for (const word of ["hello", "Grüße, 世界"]) {
        await shown.evaluate(`document.querySelector("input").value = ${JSON.stringify(word)}`);
        await shown.evaluate(`document.querySelector("form").requestSubmit()`);
        await until(`${word}   (`);
      }
      await lines.cancel();
    } finally {
      server.kill();
      await server.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});
