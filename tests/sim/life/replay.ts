import { simulateLife } from "./run.ts";
try {
  console.log(await simulateLife(Number(Deno.args[0]), console.log));
} catch (e) {
  console.log((e as Error).message, Deno.args[1] ? (e as Error).cause : "");
}
