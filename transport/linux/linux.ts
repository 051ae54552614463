/**
 * Sockets that send and receive in batches of system calls.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Arena } from "../../kcp/arena.ts";
import type { PacketBatch, PacketBatchOptions } from "../../kcp/packet_batch.ts";
import { deferred } from "../connection/deferred.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import {
  addressOf,
  AF_INET,
  AF_INET6,
  EAGAIN,
  EBADF,
  EFAULT,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENOBUFS,
  ENOMEM,
  ENOTSOCK,
  IPV6_V6ONLY,
  Libc,
  MSG_DONTWAIT,
  POLLIN,
  POLLOUT,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT,
} from "./libc.ts";
import { encodeSockaddr, SOCKADDR_SIZE, SockaddrBook } from "./sockaddr.ts";
import type { Bind } from "../connection/udp.ts";

export type { Bind };

/** Settings of the Linux transport. */
export interface LinuxOptions {
  /**
   * Bytes of the socket's receive buffer; 4 MiB unless given. The system's limit (`net.core.rmem_max`) holds, unless the
   * process may pass it.
   */
  receiveBuffer?: number;
  /** Bytes of the socket's send buffer; 4 MiB unless given. The limit is `net.core.wmem_max`. */
  sendBuffer?: number;
  /** Whether several sockets may be bound to the port, which then share the packets; off unless given. */
  reusePort?: boolean;
  /**
   * Busy polling: for so many ms after a packet, the next one is looked for between the turns of the event loop, which finds
   * it sooner than being woken; 0.2 unless given, 0 for never. Where packets keep coming just after that, it is up to five
   * times as long. It costs that much of a processor for each packet that comes alone, and nothing when none come.
   */
  busyPoll?: number;
  /** Whether runs of packets may be cut and joined by the kernel (GSO, GRO); on unless given. */
  segmentation?: boolean;
  /** Whether one call may carry many messages (`sendmmsg`, `recvmmsg`); on unless given. */
  batching?: boolean;
}

// Sizes of the kernel's structures on 64-bit systems.
const MMSGHDR = 64;
const IOVEC = 16;
/** `CMSG_SPACE` of an integer of up to 8 bytes. */
const CONTROL = 24;
// Offsets in `mmsghdr`.
const NAME = 0;
const NAMELEN = 8;
const IOV = 16;
const IOVLEN = 24;
const CONTROL_AT = 32;
const CONTROLLEN = 40;
const FLAGS = 48;
const LENGTH = 56;

/** Messages in one call. */
const MESSAGES = 64;
/** Segments that the kernel cuts one message into. Source: `UDP_MAX_SEGMENTS` of Linux 4.18. */
const MAX_SEGMENTS = 64;
/** Bytes of one message. */
const MAX_MESSAGE = 65_507;
/**
 * Messages received in one call, and bytes that each may have: GRO joins up to 64 KiB. More of them would not stay in the cache
 * of a processor until they are read.
 */
const RECEIVE_MESSAGES = 8;
const RECEIVE_BYTES = 65_536;
/** Calls that receive, before the event loop has its turn. */
const RECEIVE_CALLS = 8;
/** How often a socket that must not keep the process alive is looked at, in ms. */
const IDLE_LOOK = 5;
const DEFAULT_BUFFER = 4 << 20;
const DEFAULT_BUSY_POLL = 0.2;
/** How many times longer it may be once packets come that were just missed. */
const PATIENCE = 5;

/** What the socket itself has done wrong; other errors are those of an earlier packet. */
const FATAL: ReadonlySet<number> = new Set([EBADF, ENOMEM, EFAULT, EINVAL, ENOTSOCK]);

/** Headers of messages in memory that the kernel reads: one block each for the headers and for what they point to. */
class Messages {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** The header of each message, and what follows. */
  readonly headers: readonly Uint8Array<ArrayBuffer>[];
  readonly #base: number;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.bytes = new Uint8Array(count * (MMSGHDR + IOVEC + CONTROL + 32));
    this.view = new DataView(this.bytes.buffer);
    this.#base = addressOf(this.bytes);
    this.headers = Array.from({ length: count }, (_, i) => this.bytes.subarray(i * MMSGHDR));
    for (let i = 0; i < count; i++) {
      this.pointer(i * MMSGHDR + NAME, this.#base + this.name(i));
      this.pointer(i * MMSGHDR + IOV, this.#base + this.iovec(i));
      this.view.setUint32(i * MMSGHDR + IOVLEN, 1, true);
      this.pointer(i * MMSGHDR + CONTROL_AT, this.#base + this.control(i));
    }
  }

  iovec(i: number): number {
    return this.#count * MMSGHDR + i * IOVEC;
  }

  control(i: number): number {
    return this.#count * (MMSGHDR + IOVEC) + i * CONTROL;
  }

  name(i: number): number {
    return this.#count * (MMSGHDR + IOVEC + CONTROL) + i * 32;
  }

  pointer(at: number, address: number): void {
    this.view.setUint32(at, address, true);
    this.view.setUint32(at + 4, address / 0x1_0000_0000, true);
  }
}

/**
 * Makes what opens fast sockets, for the `bind` option of `listen` and `connect`.
 *
 * @param options Settings.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function linux(options: LinuxOptions = {}): Bind {
  const {
    receiveBuffer = DEFAULT_BUFFER,
    sendBuffer = DEFAULT_BUFFER,
    reusePort = false,
    segmentation = true,
    batching = true,
    busyPoll = DEFAULT_BUSY_POLL,
  } = options;
  for (const [name, value] of Object.entries({ receiveBuffer, sendBuffer })) {
    if (!Number.isInteger(value) || value < 4096 || value > 1 << 30) {
      throw new RangeError(
        `Cannot set ${name} to ${value}: allowed are whole numbers 4096 to ${1 << 30}`,
      );
    }
  }
  if (typeof busyPoll !== "number" || !(busyPoll >= 0 && busyPoll <= 1000)) {
    throw new RangeError(`Cannot set busyPoll to ${String(busyPoll)}: allowed are 0 to 1000`);
  }
  for (const [name, value] of Object.entries({ reusePort, segmentation, batching })) {
    if (typeof value !== "boolean") {
      throw new TypeError(`Cannot set ${name} to ${String(value)}: it must be a boolean`);
    }
  }
  return (hostname, port) =>
    new LinuxSocket(hostname, port, {
      receiveBuffer,
      sendBuffer,
      reusePort,
      segmentation,
      batching,
      busyPoll,
    });
}

/** A UDP socket of Linux as a socket for a driver. */
export class LinuxSocket implements DatagramSocket {
  /** Its own address. */
  readonly address: string;
  /** The driver's batch: what the kernel takes in one call, so that it has work while the next one is made. */
  readonly batch: PacketBatchOptions = { bytes: 1 << 17, packets: MESSAGES };
  readonly #libc: Libc;
  readonly #fd: number;
  /** Written to when a wait must end. */
  readonly #wakeFd: number;
  readonly #book: SockaddrBook;
  #gso: boolean;
  readonly #gro: boolean;
  /** Whether many messages go and come in one call. */
  readonly #batching: boolean;
  readonly #busyPoll: number;
  readonly #out: Messages;
  /** First packet of each message, and after the last. */
  readonly #firsts = new Int32Array(MESSAGES + 1);
  #in: Messages | null = null;
  /** Where the first message is received to, and how many the last call has filled. */
  #receiveBase = -1;
  #received = 0;
  /** The memory that was used last, and its address. */
  #memory: Uint8Array<ArrayBuffer> | null = null;
  #address = 0;
  /** `struct pollfd` of the socket and of the wake-up: descriptor, then events and what came of them. */
  readonly #pollIn = new Int32Array(4);
  readonly #pollOut = new Int32Array(4);
  readonly #counter = new Uint8Array(8);
  #closed = false;
  readonly #over = deferred<void>();
  #counted = true;
  /** Waits that are under way: the descriptors are closed after them. */
  #users = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resume: (() => void) | null = null;

  /**
   * Opens a socket.
   *
   * @param hostname The IP address to bind.
   * @param port The port; 0 for one that is free.
   * @param options Settings.
   * @throws {Error} When the runtime is not Deno on Linux, has no permission, or the address can't be bound.
   */
  constructor(hostname: string, port: number, options: Required<LinuxOptions>) {
    const libc = this.#libc = Libc.acquire();
    const family = hostname.includes(":") ? AF_INET6 : AF_INET;
    const { symbols } = libc;
    let fd = -1, wakeFd = -1;
    try {
      const address = encodeSockaddr(hostname, port, family);
      fd = symbols.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) throw libc.error("socket");
      wakeFd = symbols.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      if (wakeFd < 0) throw libc.error("eventfd");
      this.#fd = fd;
      this.#wakeFd = wakeFd;
      this.#busyPoll = options.busyPoll;
      this.#out = new Messages(MESSAGES);
      this.#book = new SockaddrBook(family);
      if (family === AF_INET6) this.#set(SOL_IPV6, IPV6_V6ONLY, 0);
      if (options.reusePort && !this.#set(SOL_SOCKET, SO_REUSEPORT, 1)) {
        throw libc.error("setsockopt of SO_REUSEPORT");
      }
      this.#setBuffer(SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBuffer);
      this.#setBuffer(SO_SNDBUFFORCE, SO_SNDBUF, options.sendBuffer);
      // Both are asked for once; what the kernel does not know, it refuses.
      this.#gso = options.segmentation && this.#set(SOL_UDP, UDP_SEGMENT, 0);
      this.#gro = options.segmentation && this.#set(SOL_UDP, UDP_GRO, 1);
      // No messages at all: where a kernel or a sandbox lacks the calls, they fail all the same.
      this.#batching = options.batching && symbols.sendmmsg(fd, this.#out.bytes, 0, 0) === 0 &&
        symbols.recvmmsg(fd, this.#out.bytes, 0, MSG_DONTWAIT, null) === 0;
      if (symbols.bind(fd, address, address.length) < 0) {
        throw libc.error(`bind of ${hostname} port ${port}`);
      }
      const own = new Uint8Array(SOCKADDR_SIZE);
      if (symbols.getsockname(fd, own, Int32Array.of(SOCKADDR_SIZE)) < 0) {
        throw libc.error("getsockname");
      }
      this.address = this.#book.decode(new DataView(own.buffer), 0);
    } catch (error) {
      if (fd >= 0) symbols.close(fd);
      if (wakeFd >= 0) symbols.close(wakeFd);
      libc.release();
      throw error;
    }
  }

  /** Whether runs of packets are handed to the kernel as one message, and taken from it likewise. */
  get segmentation(): { readonly send: boolean; readonly receive: boolean } {
    return { send: this.#gso, receive: this.#gro };
  }

  /** Whether one call carries many messages. */
  get batching(): boolean {
    return this.#batching;
  }

  #set(level: number, option: number, value: number): boolean {
    return this.#libc.symbols.setsockopt(this.#fd, level, option, Int32Array.of(value), 4) === 0;
  }

  #setBuffer(force: number, plain: number, bytes: number): void {
    if (!this.#set(SOL_SOCKET, force, bytes)) this.#set(SOL_SOCKET, plain, bytes);
  }

  // --- receiving ---

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receive(receiver);
  }

  async #receive(receiver: DatagramReceiver): Promise<void> {
    this.#users++;
    try {
      await this.#receiveLoop(receiver);
    } catch (error) {
      if (!this.#closed) receiver.failed(error);
    } finally {
      this.#leave();
    }
  }

  async #receiveLoop(receiver: DatagramReceiver): Promise<void> {
    const { arena } = receiver;
    const size = RECEIVE_MESSAGES * RECEIVE_BYTES;
    const block = arena.alloc(size);
    if (block < 0) throw new RangeError("Cannot receive: the arena has no room");
    try {
      let look = this.#busyPoll;
      let last = -Infinity, waited = false;
      for (let calls = 0; !this.#closed;) {
        const count = this.#receiveSome(arena, block);
        if (count === 0) {
          calls = 0;
          waited = !(this.#counted && performance.now() < last + look);
          await (waited ? this.#wait(POLLIN) : turn());
          continue;
        }
        const now = performance.now();
        if (waited) {
          // To be woken takes so long that two ends which both wait for it would go on to: each stops to look before the
          // other one, which has just been woken, can have answered.
          look = now - last < PATIENCE * this.#busyPoll
            ? PATIENCE * this.#busyPoll
            : this.#busyPoll;
          waited = false;
        }
        last = now;
        for (let i = 0; i < count && !this.#closed; i++) this.#deliver(receiver, i, block);
        if (count === RECEIVE_MESSAGES && ++calls < RECEIVE_CALLS) {
          await null;
        } else {
          calls = 0;
          await turn();
        }
        receiver.settled();
      }
    } finally {
      arena.free(block, size);
    }
  }

  /** The address of an arena, which moves when it grows. */
  #addressOf({ bytes }: Arena): number {
    if (bytes !== this.#memory) {
      this.#memory = bytes;
      this.#address = addressOf(bytes);
    }
    return this.#address;
  }

  /** Receives what is there into the block of the arena, and returns the number of messages. */
  #receiveSome(arena: Arena, block: number): number {
    const messages = this.#in ??= new Messages(RECEIVE_MESSAGES);
    const { view } = messages;
    const base = this.#addressOf(arena) + block;
    if (base !== this.#receiveBase) {
      this.#receiveBase = base;
      this.#received = RECEIVE_MESSAGES;
      for (let i = 0; i < RECEIVE_MESSAGES; i++) {
        messages.pointer(messages.iovec(i), base + i * RECEIVE_BYTES);
        view.setUint32(messages.iovec(i) + 8, RECEIVE_BYTES, true);
      }
    }
    // What the last call has written over.
    for (let i = 0; i < this.#received; i++) {
      const at = i * MMSGHDR;
      view.setUint32(at + NAMELEN, SOCKADDR_SIZE, true);
      view.setUint32(at + CONTROLLEN, CONTROL, true);
      view.setUint32(at + FLAGS, 0, true);
    }
    this.#received = 0;
    for (;;) {
      const count = this.#receiveMessages(messages);
      if (count >= 0) return this.#received = count;
      const { errno } = this.#libc;
      if (errno === EAGAIN) return 0;
      // An error that an earlier packet brought about is told once.
      if (errno === EINTR || !FATAL.has(errno)) continue;
      throw this.#libc.error("recvmmsg", errno);
    }
  }

  /** Receives as `recvmmsg` does: returns the number of messages, -1 for an error. */
  #receiveMessages(messages: Messages): number {
    const { symbols } = this.#libc;
    if (this.#batching) {
      return symbols.recvmmsg(this.#fd, messages.bytes, RECEIVE_MESSAGES, MSG_DONTWAIT, null);
    }
    for (let i = 0; i < RECEIVE_MESSAGES; i++) {
      const length = Number(symbols.recvmsg(this.#fd, messages.headers[i], MSG_DONTWAIT));
      // An error is told by the next call, unless it came first.
      if (length < 0) return i > 0 ? i : -1;
      messages.view.setUint32(i * MMSGHDR + LENGTH, length, true);
    }
    return RECEIVE_MESSAGES;
  }

  #deliver(receiver: DatagramReceiver, i: number, block: number): void {
    const messages = this.#in!;
    const { view } = messages;
    const at = i * MMSGHDR;
    const length = view.getUint32(at + LENGTH, true);
    const control = messages.control(i);
    let size = length;
    if (
      view.getUint32(at + CONTROLLEN, true) >= 20 &&
      view.getUint32(control + 8, true) === SOL_UDP &&
      view.getUint32(control + 12, true) === UDP_GRO
    ) {
      size = view.getInt32(control + 16, true);
    }
    const start = block + i * RECEIVE_BYTES;
    const from = this.#book.decode(view, messages.name(i));
    receiver.packets(start, start + length, Math.max(1, size), from);
  }

  // --- sending ---

  /** Sends the packets of a batch; what the system refuses is lost, what it has no room for waits. */
  send(batch: PacketBatch): void | Promise<void> {
    const next = this.#sendFrom(batch, 0);
    if (next < batch.count) return this.#sendRest(batch, next);
  }

  async #sendRest(batch: PacketBatch, next: number): Promise<void> {
    this.#users++;
    try {
      while (next < batch.count && !this.#closed) {
        await this.#wait(POLLOUT);
        if (!this.#closed) next = this.#sendFrom(batch, next);
      }
    } finally {
      this.#leave();
    }
  }

  /** Sends packets from one on, until the system has no room; returns the first that is left. */
  #sendFrom(batch: PacketBatch, next: number): number {
    const base = this.#addressOf(batch.arena);
    while (next < batch.count && !this.#closed) {
      const count = this.#collect(batch, next, base);
      if (count === 0) {
        next = this.#firsts[0];
        continue;
      }
      const sent = this.#sendMessages(count);
      if (sent > 0) {
        next = this.#firsts[sent];
        continue;
      }
      const { errno } = this.#libc;
      if (errno === EINTR) continue;
      if (errno === EAGAIN || errno === ENOBUFS) return next;
      const run = this.#firsts[1] - this.#firsts[0];
      if (run > 1 && this.#gso && (errno === EIO || errno === EINVAL || errno === EMSGSIZE)) {
        // The way to there can't cut packets.
        this.#gso = false;
      } else {
        next = this.#firsts[1];
      }
    }
    return next;
  }

  /** Sends as `sendmmsg` does: returns the number of messages that were sent, -1 for an error of the first. */
  #sendMessages(count: number): number {
    const { symbols } = this.#libc;
    const { bytes, headers } = this.#out;
    if (this.#batching) return symbols.sendmmsg(this.#fd, bytes, count, MSG_DONTWAIT);
    for (let i = 0; i < count; i++) {
      if (symbols.sendmsg(this.#fd, headers[i], MSG_DONTWAIT) < 0) return i > 0 ? i : -1;
    }
    return count;
  }

  /** Writes headers for the packets from `next` on, as many as fit; returns the number of messages. */
  #collect(batch: PacketBatch, next: number, base: number): number {
    const { starts, ends, to } = batch;
    const messages = this.#out;
    const { view } = messages;
    let count = 0;
    while (next < batch.count && count < MESSAGES) {
      const first = next++;
      const name = this.#book.encode(to[first]);
      this.#firsts[count] = next;
      if (!name) continue;
      const start = starts[first];
      const size = ends[first] - start;
      let end = ends[first];
      if (this.#gso) {
        for (let segments = 1; next < batch.count && segments < MAX_SEGMENTS; segments++) {
          const length = ends[next] - starts[next];
          const joins = starts[next] === end && length <= size && to[next] === to[first] &&
            ends[next] - start <= MAX_MESSAGE;
          if (!joins) break;
          end = ends[next++];
          // Only the last one may be shorter.
          if (length < size) break;
        }
      }
      const at = count * MMSGHDR;
      messages.bytes.set(name, messages.name(count));
      view.setUint32(at + NAMELEN, name.length, true);
      messages.pointer(messages.iovec(count), base + start);
      view.setUint32(messages.iovec(count) + 8, end - start, true);
      const cut = end - start > size;
      view.setUint32(at + CONTROLLEN, cut ? CONTROL : 0, true);
      if (cut) {
        const control = messages.control(count);
        view.setUint32(control, 18, true);
        view.setUint32(control + 8, SOL_UDP, true);
        view.setUint32(control + 12, UDP_SEGMENT, true);
        view.setUint16(control + 16, size, true);
      }
      this.#firsts[count] = first;
      this.#firsts[++count] = next;
    }
    return count;
  }

  // --- waiting and closing ---

  /** Waits until the socket is ready, off the event loop, or until it is closed. */
  async #wait(events: number): Promise<void> {
    if (!this.#counted) {
      await this.#pause();
      return;
    }
    // The memory must stay while the call runs, so each kind of wait has its own.
    const fds = events === POLLIN ? this.#pollIn : this.#pollOut;
    fds[0] = this.#fd;
    fds[1] = events;
    fds[2] = this.#wakeFd;
    fds[3] = POLLIN;
    const { symbols } = this.#libc;
    await symbols.poll(fds, 2n, -1);
    if (fds[3] >>> 16 !== 0 && !this.#closed) symbols.read(this.#wakeFd, this.#counter, 8n);
  }

  /** Waits a moment, on a timer that does not keep the process alive. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = () => {
        clearTimeout(this.#timer);
        this.#resume = null;
        resolve();
      };
      this.#timer = setTimeout(() => this.#resume?.(), IDLE_LOOK);
      Deno.unrefTimer(this.#timer as unknown as number);
    });
  }

  /** Ends the waits that are under way. */
  #wake(): void {
    this.#libc.symbols.write(this.#wakeFd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8n);
    this.#resume?.();
  }

  /** Notes that a loop has ended; the last one closes the descriptors. */
  #leave(): void {
    if (--this.#users > 0 || !this.#closed) return;
    this.#libc.symbols.close(this.#fd);
    this.#libc.symbols.close(this.#wakeFd);
    this.#libc.release();
    this.#over.resolve();
  }

  /**
   * Closes the socket; nothing is delivered afterwards.
   *
   * @returns A promise that settles when its descriptors are closed.
   */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#users++;
      this.#wake();
      this.#leave();
    }
    return this.#over.promise;
  }

  /** Lets the process live while the socket is open. */
  ref(): void {
    this.#counted = true;
    this.#resume?.();
  }

  /** Lets the process end although the socket is open. Packets may wait for some ms then. */
  unref(): void {
    if (!this.#counted) return;
    this.#counted = false;
    if (!this.#closed) this.#wake();
  }
}

/** Lets the event loop have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
