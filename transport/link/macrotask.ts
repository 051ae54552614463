/**
 * A turn of the event loop, on any runtime.
 *
 * @module
 */

type Channel = typeof globalThis.MessageChannel;
/** The ports of Node.js keep the process alive while they are referenced. */
type Port = MessagePort & { ref?(): void; unref?(): void };

/** They are taken before a test runner can replace them by ones that never fire. */
const { MessageChannel, setImmediate, setTimeout } = globalThis as {
  MessageChannel?: Channel;
  setImmediate?: (callback: () => void) => unknown;
  setTimeout: (callback: () => void, ms: number) => unknown;
};

/** A message that has not arrived after so many microtasks waits for the event loop. */
const PROBE_LENGTH = 100;

/** What waits where there is no `setImmediate`. It is chosen at first use. */
let chosen: Promise<() => Promise<void>> | undefined;
let wait: (() => Promise<void>) | undefined;

/**
 * Waits for a macrotask. It runs when no microtask is left: so every promise that can settle without
 * an event from outside has settled.
 *
 * It is the first of these that the runtime has:
 *
 * - `setImmediate`: Deno, Node.js, Bun, and Cloudflare Workers with the APIs of Node.js;
 * - a message to itself: browsers, where `setTimeout` would take 4 ms each time;
 * - `setTimeout`: other Cloudflare Workers, where a microtask delivers messages.
 */
export function macrotask(): Promise<void> {
  if (setImmediate) return new Promise((resolve) => setImmediate(resolve));
  return wait ? wait() : (chosen ??= choose()).then((first) => (wait = first)());
}

async function choose(): Promise<() => Promise<void>> {
  return MessageChannel && await isMacrotask(MessageChannel)
    ? messages(MessageChannel)
    : () => new Promise((resolve) => setTimeout(resolve, 0));
}

/** Whether a message arrives only when no microtask is left. */
async function isMacrotask(Channel: Channel): Promise<boolean> {
  const { port1, port2 } = new Channel();
  let arrived = false;
  port1.onmessage = () => arrived = true;
  port2.postMessage(null);
  for (let i = 0; i < PROBE_LENGTH && !arrived; i++) await null;
  port1.close();
  return !arrived;
}

/**
 * What waits for a message. One channel carries all messages: in Chromium, a channel for each takes
 * three times as long.
 */
function messages(Channel: Channel): () => Promise<void> {
  const { port1, port2 } = new Channel();
  const port: Port = port1;
  const waiting: (() => void)[] = [];
  port.onmessage = () => {
    waiting.shift()!();
    if (waiting.length === 0) port.unref?.();
  };
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) port.ref?.();
      port2.postMessage(null);
    });
}
