/**
 * Sockets that send and receive in batches of system calls.
 *
 * @module
 */
import type { Arena } from "../../kcp/arena.ts";
import type { PacketBatch, PacketBatchOptions } from "../../kcp/packet_batch.ts";
import { deferred } from "../connection/deferred.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import { ErrorPause } from "../connection/error_pause.ts";
import { wholeOverLoopback } from "../connection/loopback.ts";
import type { Bind } from "../connection/udp.ts";
import { withLocal } from "../session/address.ts";
import {
  EAGAIN,
  EBADF,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENOBUFS,
  ENOTSOCK,
  EPOLLIN,
  EPOLLOUT,
  type Libc,
  MSG_DONTWAIT,
} from "./libc.ts";
import { BusyPoll } from "./busy_poll.ts";
import {
  checkLinuxOptions,
  type LinuxLiveOptions,
  type LinuxOptions,
  resolveLinuxOptions,
} from "./linux_options.ts";
import { Messages } from "./messages.ts";
import { allowFragments, localAddressTo, openSocket } from "./open_socket.ts";
import { Poller } from "./poller.ts";
import {
  decodeSockaddr,
  type Destination,
  encodeSockaddr,
  localName,
  SockaddrCache,
} from "./sockaddr.ts";
import { droppedPackets, getBuffer, getDscp, setBuffer, setDscp } from "./socket_settings.ts";
import { withNumericZone } from "./zone.ts";

/** Largest number of messages that one call sends. */
const SEND_MESSAGES = 64;
/**
 * Largest number of packets that the kernel splits one message into. Source: `UDP_MAX_SEGMENTS` of
 * Linux 4.18.
 */
const MAX_SEGMENTS = 64;
/** Largest size of a message in bytes: 65,535 less the IPv4 and UDP headers. */
const MAX_MESSAGE = 65_507;
/**
 * Largest number of messages that one call receives. The memory of more messages would leave the
 * processor's cache before the packets are read.
 */
const RECEIVE_MESSAGES = 8;
/** Memory in bytes for one received message: GRO joins up to 64 KiB. */
const RECEIVE_BYTES = 65_536;
/** Largest number of receiving calls before other work of the event loop gets a turn. */
const RECEIVE_CALLS = 8;

/**
 * How often a packet is tried again although the send buffer has room. Another part of the kernel
 * has no room for it, so it is lost: the packets behind it must leave.
 */
const MAX_STUCK = 5;

/** Errors that show that the socket is closed. All others belong to one packet, or they pass. */
const CLOSED: ReadonlySet<number> = new Set([EBADF, ENOTSOCK]);
/** Errors of a message that the kernel can't split into packets. They have other causes too. */
const UNSPLIT: ReadonlySet<number> = new Set([EINVAL, EIO, EMSGSIZE]);

/**
 * Returns a function that opens fast sockets, for the `bind` option of `listen` and `connect`.
 *
 * @param options Options of the sockets.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp";
 * import { linux } from "@lowlatency/kcp/linux";
 *
 * const bind = linux({ receiveBuffer: 16 << 20, dscp: 46, busyPoll: 1 });
 * using listener = await listen({ hostname: "127.0.0.1", bind });
 * ```
 */
export function linux(options: LinuxOptions = {}): Bind {
  const resolved = resolveLinuxOptions(options);
  return (hostname, port, purpose) =>
    new LinuxSocket(hostname, port, resolved, purpose === "listen");
}

/**
 * A UDP socket of Linux that sends and receives in batches.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp";
 * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
 *
 * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
 * const socket = listener.socket as LinuxSocket;
 * console.log(socket.batching, socket.segmentation, socket.settings);
 * ```
 */
export class LinuxSocket implements DatagramSocket {
  /** The kind of socket. */
  readonly adapter = "linux";
  /** The address that the socket is bound to, such as `127.0.0.1:4000`. */
  readonly address: string;
  /** The batch that the driver should use: as much as the kernel takes in one call. */
  readonly batch: PacketBatchOptions = { bytes: 1 << 17, packets: SEND_MESSAGES };
  readonly #poller: Poller;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #family: number;
  readonly #sockaddrs: SockaddrCache;
  readonly #gso: boolean;
  /**
   * Packets before this index of the batch are sent one by one: the kernel refused them together,
   * because of one of them, or because it can't split messages to their destination.
   */
  #alone = 0;
  /** The destination of these packets, if the kernel may be unable to split messages to it. */
  #suspect: Destination | null = null;
  /** Whether one of these packets was sent. */
  #passedAlone = false;
  /** Whether one of these packets was too large. */
  #foundTooLarge = false;
  /** Packets that were too large for the first network device. They are lost. */
  #tooLarge = 0;
  readonly #gro: boolean;
  readonly #batching: boolean;
  readonly #tellsLocal: boolean;
  readonly #busyPoll: number;
  readonly #out: Messages;
  /** Index in the batch of each message's first packet; one more entry for the end. */
  readonly #firsts = new Int32Array(SEND_MESSAGES + 1);
  /** The destination of the first message. */
  #firstDestination: Destination | null = null;
  #in: Messages | null = null;
  /** Address of the memory that messages are received into. */
  #receiveBase = -1;
  /** Number of messages that the last call filled. */
  #received = 0;
  /** The arena's memory at its last use, and the address of that. */
  #memory: Uint8Array<ArrayBuffer> | null = null;
  #address = 0;
  #closed = false;
  readonly #descriptorsClosed = deferred<void>();
  #descriptorsAreClosed = false;
  /** Whether the socket keeps the process alive. */
  #referenced = true;
  /** Number of loops that use the descriptors. The last one to end closes them. */
  #loops = 0;
  readonly #receiveErrors = new ErrorPause();
  readonly #sendErrors = new ErrorPause();

  /**
   * Opens a socket.
   *
   * @param hostname The IP address to bind.
   * @param port The port, 0 to 65535; 0 lets the kernel choose a free one.
   * @param options All options of the socket.
   * @param listens Whether the socket answers each peer from the address that the peer has sent to,
   * if it is bound to every address of the host. Default: false.
   * @throws {Error} When the runtime is not Deno on Linux, `--allow-ffi` is missing, or the address
   * can't be bound.
   */
  constructor(
    hostname: string,
    port: number,
    options: Required<LinuxOptions>,
    listens = false,
  ) {
    const poller = this.#poller = Poller.acquire();
    const libc = this.#libc = poller.libc;
    try {
      this.#out = new Messages(libc, SEND_MESSAGES);
      const opened = openSocket(libc, hostname, port, options, listens);
      this.#fd = opened.fd;
      poller.add(opened.fd);
      this.#family = opened.family;
      this.#gso = opened.gso;
      this.#gro = opened.gro;
      this.#batching = opened.batching;
      this.#tellsLocal = opened.tellsLocal;
      this.address = opened.address;
      this.#sockaddrs = new SockaddrCache(opened.family);
    } catch (error) {
      poller.release();
      throw error;
    }
    this.#busyPoll = options.busyPoll;
  }

  /**
   * Whether the kernel splits messages that are sent, and joins packets that are received. To some
   * destinations it may be unable to.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * console.log(socket.segmentation.send, socket.segmentation.receive); // true true
   * ```
   */
  get segmentation(): { readonly send: boolean; readonly receive: boolean } {
    return { send: this.#gso, receive: this.#gro };
  }

  /**
   * Packets that were lost because they were larger than the MTU of a network device.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * console.log(socket.tooLarge); // 0
   * ```
   */
  get tooLarge(): number {
    return this.#tooLarge;
  }

  /**
   * The file descriptor, for system calls of the application: -1 after the socket was closed. Who
   * receives from it takes packets away from the connections.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * const libc = Deno.dlopen("libc.so.6", {
   *   getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
   * });
   * const value = new Int32Array(1);
   * libc.symbols.getsockopt(socket.fd, 1, 3, value, Int32Array.of(4)); // SOL_SOCKET, SO_TYPE
   * console.log(value[0]); // 2: SOCK_DGRAM
   * ```
   */
  get fd(): number {
    return this.#descriptorsAreClosed ? -1 : this.#fd;
  }

  /**
   * Packets that arrived and that the kernel has dropped, most of them because the receive buffer was
   * full; null if the kernel does not tell, and after the socket was closed. Packets that the kernel has
   * joined (GRO) count as one.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * if (socket.dropped) console.log("raise receiveBuffer");
   * ```
   */
  get dropped(): number | null {
    return this.#descriptorsAreClosed ? null : droppedPackets(this.#libc, this.#fd);
  }

  /**
   * Changes settings of the socket: kcp-go's `SetDSCP`, `SetReadBuffer` and `SetWriteBuffer`. They hold
   * for all connections of the socket.
   *
   * @param change The options to change. Those that are not named keep their values.
   * @throws {RangeError} When an option is out of its range. No option is changed then.
   * @throws {Error} When the socket is closed, or the kernel refuses.
   *
   * @example
   * ```ts no-eval
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * const listener = await listen({ port: 4000, bind: linux({ dscp: 46 }) });
   * const socket = listener.socket as LinuxSocket;
   * socket.configure({ dscp: 34, receiveBuffer: 16 << 20 });
   * console.log(socket.settings.receiveBuffer); // what the kernel gave
   * ```
   */
  configure(change: LinuxLiveOptions): void {
    checkLinuxOptions(change);
    this.#checkOpen();
    const { receiveBuffer, sendBuffer, dscp } = change;
    if (receiveBuffer !== undefined) setBuffer(this.#libc, this.#fd, "receive", receiveBuffer);
    if (sendBuffer !== undefined) setBuffer(this.#libc, this.#fd, "send", sendBuffer);
    if (dscp !== undefined) setDscp(this.#libc, this.#fd, this.#family, dscp);
  }

  /**
   * The settings in force. The buffers may be smaller than the options: the kernel has limits.
   *
   * @throws {Error} When the socket is closed.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * console.log(`the kernel gave ${socket.settings.receiveBuffer} bytes`);
   * ```
   */
  get settings(): Required<LinuxLiveOptions> {
    this.#checkOpen();
    const libc = this.#libc, fd = this.#fd;
    return {
      receiveBuffer: getBuffer(libc, fd, "receive"),
      sendBuffer: getBuffer(libc, fd, "send"),
      dscp: getDscp(libc, fd, this.#family),
    };
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error(`The socket on ${this.address} is closed`);
  }

  /**
   * Reads that have failed so far. The socket goes on after most errors.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * console.log(socket.readErrors); // 0
   * ```
   */
  get readErrors(): number {
    return this.#receiveErrors.count;
  }

  /**
   * Whether one system call carries many messages.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { linux, LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: linux() });
   * const socket = listener.socket as LinuxSocket;
   * console.log(socket.batching); // true
   * ```
   */
  get batching(): boolean {
    return this.#batching;
  }

  /**
   * The address under which the packets of a peer arrive. A zone becomes a number.
   *
   * @throws {TypeError} When the socket can't send there: it is an IPv4 socket and the address is not
   * an IPv4 address, or the zone is not a network of this host.
   */
  peerAddress(hostname: string, port: number): string {
    const name = encodeSockaddr(withNumericZone(this.#libc, hostname), port, this.#family);
    const address = decodeSockaddr(new DataView(name.buffer), 0);
    if (!this.#tellsLocal) return address;
    // Answers come with the local address that they were sent to.
    const own = localAddressTo(this.#libc, name, this.#family);
    const local = own === null ? "" : localName(own);
    return local === "" ? address : withLocal(local, address);
  }

  /** The largest packet that reaches a peer on the loopback in one piece; 0 for other peers. */
  wholePacketSize(peer: string): number {
    return wholeOverLoopback(peer);
  }

  // --- receiving ---

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receive(receiver);
  }

  async #receive(receiver: DatagramReceiver): Promise<void> {
    this.#loops++;
    try {
      await this.#receiveLoop(receiver);
    } catch (error) {
      if (!this.#closed) receiver.failed(error);
    } finally {
      this.#endLoop();
    }
  }

  async #receiveLoop(receiver: DatagramReceiver): Promise<void> {
    const { arena } = receiver;
    const size = RECEIVE_MESSAGES * RECEIVE_BYTES;
    const block = arena.alloc(size);
    if (block < 0) throw new RangeError("Cannot receive: the arena has no room");
    try {
      const busyPoll = new BusyPoll(this.#busyPoll);
      for (let calls = 0; !this.#closed;) {
        const count = this.#receiveSome(arena, block);
        if (count === 0) {
          calls = 0;
          // A turn of the event loop keeps the process alive.
          if (busyPoll.polls(performance.now()) && this.#referenced) {
            // The peer may be waiting for this processor, to send the packet that the poll is for.
            this.#libc.symbols.sched_yield();
            await eventLoopTurn();
          } else {
            await this.#wait(EPOLLIN);
          }
          continue;
        }
        if (count < 0) {
          await this.#receiveErrors.wait();
          continue;
        }
        this.#receiveErrors.reset();
        busyPoll.arrived(performance.now());
        for (let i = 0; i < count && !this.#closed; i++) this.#deliver(receiver, i, block);
        if (count === RECEIVE_MESSAGES && ++calls < RECEIVE_CALLS) {
          await null;
        } else {
          calls = 0;
          await eventLoopTurn();
        }
        receiver.settled();
      }
    } finally {
      arena.free(block, size);
    }
  }

  /** The address of an arena's memory, which changes when the arena grows. */
  #addressOf({ bytes }: Arena): number {
    if (bytes !== this.#memory) {
      this.#memory = bytes;
      this.#address = this.#libc.addressOf(bytes);
    }
    return this.#address;
  }

  /**
   * Receives without waiting into a block of the arena. Returns the number of messages, or -1 for
   * an error that may pass: it belongs to an earlier packet, or the kernel lacks memory.
   */
  #receiveSome(arena: Arena, block: number): number {
    const messages = this.#in ??= new Messages(this.#libc, RECEIVE_MESSAGES);
    const base = this.#addressOf(arena) + block;
    if (base !== this.#receiveBase) {
      this.#receiveBase = base;
      this.#received = RECEIVE_MESSAGES;
      for (let i = 0; i < RECEIVE_MESSAGES; i++) {
        messages.setData(i, base + i * RECEIVE_BYTES, RECEIVE_BYTES);
      }
    }
    for (let i = 0; i < this.#received; i++) messages.resetReceived(i);
    this.#received = 0;
    const count = this.#receiveMessages(messages);
    if (count >= 0) return this.#received = count;
    const { errno } = this.#libc;
    if (errno === EAGAIN) return 0;
    if (CLOSED.has(errno)) throw this.#libc.error("recvmmsg", errno);
    return -1;
  }

  /** Receives as `recvmmsg` does. Returns the number of messages, or -1 for an error. */
  #receiveMessages(messages: Messages): number {
    const { symbols } = this.#libc;
    if (this.#batching) {
      return symbols.recvmmsg(this.#fd, messages.bytes, RECEIVE_MESSAGES, MSG_DONTWAIT, null);
    }
    for (let i = 0; i < RECEIVE_MESSAGES; i++) {
      const length = Number(symbols.recvmsg(this.#fd, messages.headers[i], MSG_DONTWAIT));
      // After the first message an error only ends the batch: the next call reports it.
      if (length < 0) return i > 0 ? i : -1;
      messages.setLength(i, length);
    }
    return RECEIVE_MESSAGES;
  }

  #deliver(receiver: DatagramReceiver, i: number, block: number): void {
    const messages = this.#in!;
    const length = messages.length(i);
    messages.readControl(i);
    const size = messages.segmentSize || length;
    const start = block + i * RECEIVE_BYTES;
    const from = this.#sockaddrs.decode(messages.view, messages.nameAt(i), messages.localAt);
    receiver.packets(start, start + length, Math.max(1, size), from);
  }

  // --- sending ---

  /**
   * Sends the packets of a batch. A packet that the kernel refuses is lost. While the send buffer
   * is full, the packets wait.
   */
  send(batch: PacketBatch): void | Promise<void> {
    this.#alone = 0;
    const next = this.#sendFrom(batch, 0);
    if (next < batch.count) return this.#sendRest(batch, next);
  }

  /** Sends the packets of a batch, for the end of the process. */
  sendNow(batch: PacketBatch): void {
    this.#alone = 0;
    this.#sendFrom(batch, 0);
  }

  async #sendRest(batch: PacketBatch, next: number): Promise<void> {
    this.#loops++;
    try {
      for (let stuck = 0; next < batch.count && !this.#closed;) {
        await (stuck === 0 ? this.#wait(EPOLLOUT) : this.#sendErrors.wait());
        if (this.#closed) return;
        const before = next;
        next = this.#sendFrom(batch, next);
        if (next > before) {
          stuck = 0;
        } else if (++stuck > (this.#alone > 0 ? 0 : MAX_STUCK)) {
          stuck = 0;
          next = this.#skip(EAGAIN);
        }
        if (stuck === 0) this.#sendErrors.reset();
      }
    } finally {
      this.#endLoop();
    }
  }

  /**
   * Sends the packets from `next` on. Returns the first packet that the send buffer has no room
   * for.
   */
  #sendFrom(batch: PacketBatch, next: number): number {
    const base = this.#addressOf(batch.arena);
    while (next < batch.count && !this.#closed) {
      this.#endAlone(next);
      const count = this.#collect(batch, next, base);
      if (count === 0) {
        next = this.#firsts[0];
        continue;
      }
      const fragments = batch.fragments[this.#firsts[0]] === 1;
      if (fragments) allowFragments(this.#libc, this.#fd, this.#family, true);
      const sent = this.#sendMessages(count);
      const errno = sent > 0 ? 0 : this.#libc.errno;
      if (fragments) allowFragments(this.#libc, this.#fd, this.#family, false);
      if (sent > 0) {
        if (this.#alone > 0) this.#passedAlone = true;
        next = this.#firsts[sent];
        continue;
      }
      if (errno === EAGAIN || errno === ENOBUFS) return next;
      if (CLOSED.has(errno)) throw this.#libc.error("sendmmsg", errno);
      next = this.#skip(errno);
    }
    this.#endAlone(next);
    return next;
  }

  /** Lets packets travel together again from `next` on, if none before it must be sent alone. */
  #endAlone(next: number): void {
    if (this.#alone === 0 || next < this.#alone) return;
    this.#alone = 0;
    // The same packets passed alone, and none was too large: the device of this route can't split.
    if (this.#suspect && this.#passedAlone && !this.#foundTooLarge) this.#suspect.splits = false;
  }

  /**
   * Decides what follows after the kernel has refused the first message: its packets are sent one by
   * one, or its packet is lost. Returns the packet to go on with.
   */
  #skip(errno: number): number {
    const [first, end] = this.#firsts;
    if (end - first > 1) {
      this.#alone = end;
      this.#suspect = UNSPLIT.has(errno) ? this.#firstDestination : null;
      this.#passedAlone = this.#foundTooLarge = false;
      return first;
    }
    if (errno === EMSGSIZE) {
      // Not an error: the session notices that large packets vanish.
      this.#tooLarge++;
      this.#foundTooLarge = true;
    }
    return end;
  }

  /**
   * Sends as `sendmmsg` does. Returns the number of messages that were sent, or -1 if the first one
   * failed.
   */
  #sendMessages(count: number): number {
    const { symbols } = this.#libc;
    const { bytes, headers } = this.#out;
    if (this.#batching) return symbols.sendmmsg(this.#fd, bytes, count, MSG_DONTWAIT);
    for (let i = 0; i < count; i++) {
      if (symbols.sendmsg(this.#fd, headers[i], MSG_DONTWAIT) < 0) return i > 0 ? i : -1;
    }
    return count;
  }

  /** Writes headers for as many packets from `next` on as fit. Returns the number of messages. */
  #collect(batch: PacketBatch, next: number, base: number): number {
    const { starts, ends, to, fragments } = batch;
    const messages = this.#out;
    let count = 0;
    while (next < batch.count && count < SEND_MESSAGES) {
      // A packet that may be fragmented is sent alone.
      if (count > 0 && (fragments[next] === 1 || fragments[this.#firsts[0]] === 1)) break;
      const first = next++;
      const destination = this.#sockaddrs.encode(to[first]);
      this.#firsts[count] = next;
      // A packet to port 0 or to an address of another family is lost.
      if (!destination) continue;
      if (count === 0) this.#firstDestination = destination;
      const start = starts[first];
      const size = ends[first] - start;
      let end = ends[first];
      if (this.#gso && destination.splits && next > this.#alone) {
        for (let segments = 1; next < batch.count && segments < MAX_SEGMENTS; segments++) {
          const length = ends[next] - starts[next];
          const joins = starts[next] === end && length <= size && to[next] === to[first] &&
            fragments[first] === 0 && fragments[next] === 0 && ends[next] - start <= MAX_MESSAGE;
          if (!joins) break;
          end = ends[next++];
          // Only the last packet of a message may be shorter.
          if (length < size) break;
        }
      }
      messages.setDestination(count, destination, end - start > size ? size : 0);
      messages.setData(count, base + start, end - start);
      this.#firsts[count] = first;
      this.#firsts[++count] = next;
    }
    return count;
  }

  // --- waiting and closing ---

  /** Waits on another thread until the socket is ready or is closed. */
  async #wait(events: typeof EPOLLIN | typeof EPOLLOUT): Promise<void> {
    if (!(await this.#poller.wait(this.#fd, events))) {
      await (events === EPOLLIN ? this.#receiveErrors : this.#sendErrors).wait();
    }
  }

  /** Counts a loop that has ended. After `close`, the last one closes the descriptors. */
  #endLoop(): void {
    if (--this.#loops > 0 || !this.#closed) return;
    this.#descriptorsAreClosed = true;
    this.#poller.forget(this.#fd);
    this.#libc.symbols.close(this.#fd);
    this.#poller.release().then(this.#descriptorsClosed.resolve);
  }

  /**
   * Closes the socket. It delivers nothing more.
   *
   * @returns A promise that settles when the descriptors are closed.
   */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#receiveErrors.end();
      this.#sendErrors.end();
      this.#loops++;
      this.#poller.cancel(this.#fd);
      this.#endLoop();
    }
    return this.#descriptorsClosed.promise;
  }

  /** Keeps the process alive while the socket is open. This is the initial state. */
  ref(): void {
    this.#referenced = true;
    this.#receiveErrors.ref();
    this.#sendErrors.ref();
    if (!this.#descriptorsAreClosed) this.#poller.setReferenced(this.#fd, true);
  }

  /** Lets the process end while the socket is open. A packet may then arrive some ms later. */
  unref(): void {
    this.#referenced = false;
    this.#receiveErrors.unref();
    this.#sendErrors.unref();
    if (!this.#descriptorsAreClosed) this.#poller.setReferenced(this.#fd, false);
  }
}

/** Gives other work of the event loop a turn. */
function eventLoopTurn(): Promise<void> {
  // An import of it from "node:timers" would break a bundle for browsers.
  const { setImmediate } = globalThis as unknown as { setImmediate(call: () => void): void };
  return new Promise((resolve) => setImmediate(resolve));
}
