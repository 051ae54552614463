import type { PacketBatch, PacketBatchOptions } from "../../kcp/packet_batch.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import { settlesWithin } from "../connection/timed_wait.ts";
import { checkChannel, type DataChannelEvent, type DataChannelLike } from "./channel.ts";

/** Most packets of a batch. */
const MAX_PACKETS = 64;
/** More bytes than this wait in a full channel. When half of them have left, it is not full any more. */
const FULL = 16 * 1024;
/** How long (ms) a batch waits for a full channel before it is lost. */
const MAX_WAIT = 50;

/**
 * Sends and receives packets as messages of a WebRTC data channel, for `listenOn` and `connectOn`.
 *
 * A message that the channel refuses is lost. When more than 16 KiB wait in the channel, the connections
 * wait for up to 50 ms: what they have to send stays in their own queues. After that, packets are lost.
 *
 * @example
 * ```ts no-eval
 * import { connectOn, SystemClock, systemEntropy } from "@lowlatency/kcp/transport";
 * import { type DataChannelLike, DataChannelSocket } from "@lowlatency/kcp/webrtc";
 *
 * declare const channel: DataChannelLike; // an RTCDataChannel that is open
 * const socket = new DataChannelSocket(channel);
 * const [conv] = crypto.getRandomValues(new Uint32Array(1));
 * const options = { mtu: 1152, entropy: systemEntropy };
 * const conn = connectOn(socket, new SystemClock(), socket.peer, conv, options);
 * await conn.write(new TextEncoder().encode("hello"));
 * ```
 */
export class DataChannelSocket implements DatagramSocket {
  /** The kind of socket. */
  readonly adapter = "webrtc";
  /** A name for this end: a channel has no address. */
  readonly address = "webrtc:1";
  /** The batch size that suits the channel. */
  readonly batch: PacketBatchOptions = { packets: MAX_PACKETS };
  /**
   * The address from which all packets come.
   *
   * @example
   * ```ts no-eval
   * import { type DataChannelLike, DataChannelSocket } from "@lowlatency/kcp/webrtc";
   *
   * declare const channel: DataChannelLike;
   * console.log(new DataChannelSocket(channel, "alice:1").peer); // alice:1
   * ```
   */
  readonly peer: string;
  readonly #channel: DataChannelLike;
  readonly #onMessage: (event: DataChannelEvent) => void;
  readonly #onError: (event: DataChannelEvent) => void;
  readonly #onClose: () => void;
  #receiver: DatagramReceiver | null = null;
  /** What the channel told before it closed. */
  #error: unknown = undefined;
  #closed = false;

  /**
   * Wraps a channel. Nothing else may send or receive on it until the socket is closed. The socket does
   * not close the channel.
   *
   * @param channel The channel.
   * @param peer The address from which all packets come, such as `alice:1`.
   * @throws {TypeError} When the channel is ordered or reliable.
   */
  constructor(channel: DataChannelLike, peer = "webrtc:1") {
    checkChannel(channel);
    this.#channel = channel;
    this.peer = peer;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = FULL / 2;
    this.#onMessage = ({ data }) => this.#take(data);
    this.#onError = ({ error }) => this.#error = error;
    this.#onClose = () => this.#fail();
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
    const channel = this.#channel;
    channel.addEventListener("message", this.#onMessage);
    channel.addEventListener("error", this.#onError);
    channel.addEventListener("close", this.#onClose);
    // It may have closed before.
    if (channel.readyState === "closed") queueMicrotask(this.#onClose);
  }

  #take(data: unknown): void {
    if (this.#closed) return;
    const receiver = this.#receiver!;
    if (data instanceof ArrayBuffer) receiver.packet(new Uint8Array(data), this.peer);
    else if (data instanceof Uint8Array) receiver.packet(data, this.peer);
    // A text is not of this library.
  }

  #fail(): void {
    if (this.#closed) return;
    this.#receiver!.failed(this.#error ?? new Error("The data channel was closed"));
  }

  /** Sends the packets of a batch. A packet that the channel refuses is lost. */
  send(batch: PacketBatch): void | Promise<void> {
    if (!this.#isFull) return this.#write(batch);
    return this.#room().then((room) => {
      if (room && !this.#closed) return this.#write(batch);
    });
  }

  get #isFull(): boolean {
    return this.#channel.bufferedAmount > FULL;
  }

  /** Waits until the channel is not full any more, but not longer than a batch may wait. */
  async #room(): Promise<boolean> {
    let onLow = () => {};
    const low = new Promise<void>((resolve) => onLow = resolve);
    this.#channel.addEventListener("bufferedamountlow", onLow);
    const room = await settlesWithin(low, MAX_WAIT);
    this.#channel.removeEventListener("bufferedamountlow", onLow);
    return room || !this.#isFull;
  }

  #write(batch: PacketBatch): void | Promise<void> {
    for (let i = 0; i < batch.count; i++) {
      try {
        // The channel takes the bytes before the call returns.
        this.#channel.send(batch.packet(i));
      } catch {
        // It is closing, its buffer is full, or the other end takes only smaller messages.
      }
    }
    if (this.#isFull) return this.#room().then(() => {});
  }

  /** Gives the channel back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const channel = this.#channel;
    channel.removeEventListener("message", this.#onMessage);
    channel.removeEventListener("error", this.#onError);
    channel.removeEventListener("close", this.#onClose);
  }

  /** Does nothing: a channel does not keep a page alive. */
  ref(): void {}

  /** Does nothing: see {@linkcode DataChannelSocket.ref}. */
  unref(): void {}
}
