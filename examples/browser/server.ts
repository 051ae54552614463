/**
 * A web page that talks with this server over WebTransport: it sends what is typed, and the server
 * sends it back. The certificate is made for it, and the page is told its SHA-256:
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 10 \
 *       -subj /CN=localhost -keyout key.pem -out cert.pem
 *     deno bundle --platform=browser -o page.js examples/browser/page.ts
 *     deno run --unstable-net --allow-net --allow-read examples/browser/server.ts
 *
 * Then open the address that it prints. Arguments: the folder of the three files, the port of the page.
 *
 * @module
 */
import { listen, WebTransportServer } from "@lowlatency/kcp/webtransport";

const [folder = ".", port = "8000"] = Deno.args;
const cert = await Deno.readTextFile(`${folder}/cert.pem`);
const key = await Deno.readTextFile(`${folder}/key.pem`);
const script = await Deno.readTextFile(`${folder}/page.js`);

const server = new WebTransportServer({ hostname: "127.0.0.1", cert, key });
const der = Uint8Array.from(atob(cert.replace(/-----.*-----|\s/g, "")), (c) => c.charCodeAt(0));
const hash = [...new Uint8Array(await crypto.subtle.digest("SHA-256", der))];
const settings = { url: `https://127.0.0.1:${server.addr.port}/`, hash };

const PAGE = `<!doctype html>
<title>KCP over WebTransport</title>
<form><input autofocus disabled> <button disabled>Send</button></form>
<pre></pre>
<script>globalThis.settings = ${JSON.stringify(settings)};</script>
<script type="module" src="/page.js"></script>
`;

// Browsers have WebTransport only in pages that came over https or from this host.
const onListen = ({ port }: Deno.NetAddr) => console.log(`open http://127.0.0.1:${port}/`);
Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen }, ({ url }) => {
  const isScript = new URL(url).pathname === "/page.js";
  const type = isScript ? "text/javascript" : "text/html";
  return new Response(isScript ? script : PAGE, { headers: { "content-type": type } });
});

for await (const session of server) {
  listen(session).then(async (listener) => {
    for await (const conn of listener) {
      console.log(`${conn.remoteAddr.hostname}:${conn.remoteAddr.port} connected`);
      (async () => {
        for await (const message of conn.messages) await conn.sendMessage(message);
      })().catch((error) => console.log(error.message)).finally(() => conn.close());
    }
  }).catch((error) => console.log(error.message));
}
