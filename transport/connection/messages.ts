import type { Bytes } from "./reading.ts";

/**
 * Iterates over what `receive` gives, until it gives null.
 *
 * @param receive Waits for the next message or datagram.
 */
export async function* iterate(receive: () => Promise<Bytes | null>): AsyncGenerator<Bytes, void> {
  for (let next; (next = await receive()) !== null;) yield next;
}
