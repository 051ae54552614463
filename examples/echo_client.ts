/**
 * Sends each line of its input to echo_server.ts. Prints the answer and the round-trip time.
 *
 * Start echo_server.ts first. The default address is 127.0.0.1, port 4000:
 *
 *     deno run --unstable-net --allow-net examples/echo_client.ts [host] [port]
 *
 * @module
 */
import { connect, ConnectionError } from "@lowlatency/kcp";

const [hostname = "127.0.0.1", port = "4000"] = Deno.args;
const conn = await connect({ hostname, port: Number(port) });

try {
  const buffer = new Uint8Array(65_536);
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const sent = new TextEncoder().encode(`${line}\n`);
      const started = performance.now();
      await conn.writeAll(sent);
      const echo = new TextDecoder();
      let answer = "";
      // Like that of Deno.Conn, a read may give only a part.
      for (let left = sent.length; left > 0;) {
        const count = await conn.read(buffer, { timeout: 10_000 });
        if (count === null) throw new ConnectionError("closed", "the server ended the connection");
        answer += echo.decode(buffer.subarray(0, count), { stream: true });
        left -= count;
      }
      console.log(`${answer.trimEnd()}   (${(performance.now() - started).toFixed(1)} ms)`);
    }
  }
} catch (error) {
  console.error(`${hostname}:${port}: ${error instanceof Error ? error.message : error}`);
  Deno.exitCode = 1;
}
conn.close();
await conn.closed.catch(() => {});
