/**
 * The part of a WebRTC data channel that this library uses. An `RTCDataChannel` of a browser has it, and
 * those of libraries that follow https://www.w3.org/TR/webrtc/.
 *
 * @module
 */

import { shown } from "../session/shown.ts";

/** What an event of a channel tells. */
export interface DataChannelEvent {
  /** The name of the event. */
  readonly type: string;
  /** The message, of an event `message`. */
  readonly data?: unknown;
  /** The reason, of an event `error`. */
  readonly error?: unknown;
}

/** A data channel: an `RTCDataChannel`, or any other object with these members. */
export interface DataChannelLike {
  /** The name that the application has given it. */
  readonly label: string;
  /** `connecting`, `open`, `closing` or `closed`. */
  readonly readyState: string;
  /** Whether messages keep their order. It must be false. */
  readonly ordered: boolean;
  /** How often a lost message is sent again. It must be 0, unless `maxPacketLifeTime` is set. */
  readonly maxRetransmits: number | null;
  /** How long (ms) a lost message may be sent again. */
  readonly maxPacketLifeTime: number | null;
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number;
  /** The event `bufferedamountlow` comes when so few bytes wait. */
  bufferedAmountLowThreshold: number;
  /** The form of the messages that arrive. */
  binaryType: string;
  /** Sends a message. */
  send(data: Uint8Array<ArrayBuffer>): void;
  /** Calls `listener` for each event of a name. */
  addEventListener(name: string, listener: (event: DataChannelEvent) => void): void;
  /** Calls it no more. */
  removeEventListener(name: string, listener: (event: DataChannelEvent) => void): void;
}

/**
 * Checks that a channel sends messages as they are: unordered, and each once.
 *
 * @throws {TypeError} When it does not, or is no channel.
 */
export function checkChannel(channel: DataChannelLike): void {
  if (typeof channel?.send !== "function" || typeof channel.addEventListener !== "function") {
    throw new TypeError(`Cannot use ${shown(channel)} as a data channel: it cannot send messages`);
  }
  const { ordered, maxRetransmits, maxPacketLifeTime } = channel;
  if (ordered !== false) {
    throw new TypeError(
      "Cannot use an ordered data channel: a lost packet would hold up those behind it; " +
        "create it with { ordered: false, maxRetransmits: 0 }",
    );
  }
  if (maxRetransmits !== 0) {
    const given = typeof maxPacketLifeTime === "number"
      ? `with a maxPacketLifeTime of ${maxPacketLifeTime} ms`
      : typeof maxRetransmits === "number"
      ? `with ${maxRetransmits} maxRetransmits`
      : "that is reliable";
    throw new TypeError(
      `Cannot use a data channel ${given}: packets would be sent again twice; ` +
        "create it with { ordered: false, maxRetransmits: 0 }",
    );
  }
}
