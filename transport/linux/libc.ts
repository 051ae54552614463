/**
 * The system calls of Linux that the Linux transport needs, through `Deno.dlopen`.
 *
 * @module
 */

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  recvmmsg: { parameters: ["i32", "buffer", "u32", "i32", "pointer"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  epoll_poll: { name: "epoll_wait", parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  sched_yield: { parameters: [], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  if_indextoname: { parameters: ["u32", "buffer"], result: "pointer" },
  strerror: { parameters: ["i32"], result: "pointer" },
  __errno_location: { parameters: [], result: "pointer" },
  memcpy: { parameters: ["buffer", "pointer", "usize"], result: "pointer" },
  /** `memcpy` of nothing: it returns its first argument. */
  addressOf: { name: "memcpy", parameters: ["buffer", "buffer", "usize"], result: "usize" },
} as const;

/** The functions of libc. */
export type LibcFunctions = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

// Constants of the kernel's interface, equal on x86-64 and arm64. Source: the headers of Linux.
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_TYPE = 3;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_MEMINFO = 55;
export const SOL_IP = 0;
export const IP_TOS = 1;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
/** Lets the network fragment. The same number in IPv6. */
export const IP_PMTUDISC_DONT = 0;
/** Sets DF, and ignores what the kernel knows of the path. The same number in IPv6. */
export const IP_PMTUDISC_PROBE = 3;
export const SOL_IPV6 = 41;
export const IPV6_MTU_DISCOVER = 23;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const IPV6_TCLASS = 67;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
export const MSG_DONTWAIT = 0x40;
export const EFD_NONBLOCK = 0o4000;
export const EFD_CLOEXEC = 0o2000000;
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLONESHOT = 1 << 30;
export const EIO = 5;
export const EBADF = 9;
export const EAGAIN = 11;
export const EINVAL = 22;
export const ENOTSOCK = 88;
export const EMSGSIZE = 90;
export const ENOBUFS = 105;

/** What Deno makes of the errors that opening a socket meets: the class, and the `code`. */
const KINDS: Readonly<Record<number, readonly [kind: keyof typeof Deno.errors, code: string]>> = {
  1: ["PermissionDenied", "EPERM"],
  13: ["PermissionDenied", "EACCES"],
  98: ["AddrInUse", "EADDRINUSE"],
  99: ["AddrNotAvailable", "EADDRNOTAVAIL"],
};

/** libc. All sockets share it: the first one opens it, the last one closes it. */
export class Libc {
  static #shared: Libc | null = null;
  /** The functions. */
  readonly symbols: LibcFunctions;
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly #errnoLocation: Deno.PointerValue;
  readonly #errno = new Int32Array(1);
  #users = 0;

  private constructor() {
    this.#library = Deno.dlopen("libc.so.6", SYMBOLS);
    this.symbols = this.#library.symbols;
    this.#errnoLocation = this.symbols.__errno_location();
  }

  /**
   * Opens libc, or returns the open one. Call {@linkcode Libc.release} once for each call.
   *
   * @throws {Error} When the runtime is not Deno on Linux, `--allow-ffi` is missing, or libc can't be
   * opened.
   */
  static acquire(): Libc {
    const plain = "use the plain adapter: call listen and connect without `bind`";
    if (typeof Deno === "undefined" || Deno.build.os !== "linux") {
      throw new Error(`Cannot use the Linux transport: this is not Deno on Linux; ${plain}`);
    }
    if (!["x86_64", "aarch64"].includes(Deno.build.arch)) {
      throw new Error(
        "Cannot use the Linux transport: it supports x86_64 and aarch64, " +
          `not ${Deno.build.arch}; ${plain}`,
      );
    }
    if (!Libc.#shared) {
      try {
        Libc.#shared = new Libc();
      } catch (error) {
        const denied = error instanceof Deno.errors.NotCapable ||
          error instanceof Deno.errors.PermissionDenied;
        const reason = denied
          ? "it needs --allow-ffi"
          : `libc.so.6 can't be opened (${error instanceof Error ? error.message : error})`;
        throw new Error(`Cannot use the Linux transport: ${reason}, or ${plain}`, {
          cause: error,
        });
      }
    }
    Libc.#shared.#users++;
    return Libc.#shared;
  }

  /** Ends one use of libc. The last one closes it. */
  release(): void {
    if (--this.#users > 0) return;
    this.#library.close();
    if (Libc.#shared === this) Libc.#shared = null;
  }

  /**
   * The error number of the last call that failed. Deno's own way to read memory would fail once the
   * program has given up the permission for FFI.
   */
  get errno(): number {
    this.symbols.memcpy(this.#errno, this.#errnoLocation, 4n);
    return this.#errno[0];
  }

  /** The address of a byte in memory. */
  addressOf(bytes: Uint8Array<ArrayBuffer>): number {
    // User space ends below 2^48, which a number holds exactly.
    return Number(this.symbols.addressOf(bytes, bytes, 0n));
  }

  /** Makes an Error for a call that failed, of the class that Deno gives to such errors. */
  error(call: string, errno: number = this.errno): Error {
    const text = this.symbols.strerror(errno);
    const reason = text ? new Deno.UnsafePointerView(text).getCString() : `error ${errno}`;
    const message = `${call} failed: ${reason}`;
    const known = KINDS[errno];
    if (!known) return new Error(message);
    return Object.assign(new Deno.errors[known[0]](message), { code: known[1] });
  }
}
