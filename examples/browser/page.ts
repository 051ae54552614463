/**
 * The page of server.ts: it sends what is typed, and shows the answers and how long they took.
 *
 * @module
 */
import { connect } from "@lowlatency/kcp/webtransport";

/** The parts of the page: Deno has no types for it. */
interface Elements {
  form: { onsubmit: (event: Event) => void };
  input: { value: string; disabled: boolean };
  button: { disabled: boolean };
  pre: { append(text: string): void };
}

const { document, settings } = globalThis as unknown as {
  document: { querySelector<Name extends keyof Elements>(name: Name): Elements[Name] };
  settings: { url: string; hash: number[] };
};
const output = document.querySelector("pre");
const input = document.querySelector("input");

try {
  const value = new Uint8Array(settings.hash);
  const conn = await connect(settings.url, {
    timeout: 5000,
    webTransport: { serverCertificateHashes: [{ algorithm: "sha-256", value }] },
  });
  output.append(`connected, ${conn.rtt.toFixed(1)} ms\n`);
  input.disabled = document.querySelector("button").disabled = false;

  let sentAt = 0;
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    sentAt = performance.now();
    if (input.value !== "") conn.sendMessage(new TextEncoder().encode(input.value));
    input.value = "";
  };
  for await (const message of conn.messages) {
    const took = (performance.now() - sentAt).toFixed(1);
    output.append(`${new TextDecoder().decode(message)}   (${took} ms)\n`);
  }
} catch (error) {
  output.append(`${error instanceof Error ? error.message : error}\n`);
}
