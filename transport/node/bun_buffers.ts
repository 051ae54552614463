/**
 * The sizes of a socket's buffers on Bun, whose sockets have no function for them: the system's own
 * functions, called through `bun:ffi`.
 *
 * @module
 */

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  dlopen(name: string, functions: Record<keyof Libc, unknown>): { readonly symbols: Libc };
}

/** Functions of the C library. */
interface Libc {
  setsockopt(fd: number, level: number, name: number, value: Int32Array, size: number): number;
  getsockopt(fd: number, level: number, name: number, value: Int32Array, size: Int32Array): number;
}

/** Names of the C library, and its numbers for the options of sockets. */
interface System {
  readonly libraries: readonly string[];
  readonly SOL_SOCKET: number;
  readonly SO_SNDBUF: number;
  readonly SO_RCVBUF: number;
}

const SYSTEMS: Readonly<Record<string, System>> = {
  linux: {
    // That of GNU, and that of musl.
    libraries: ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"],
    SOL_SOCKET: 1,
    SO_SNDBUF: 7,
    SO_RCVBUF: 8,
  },
  darwin: {
    libraries: ["libSystem.B.dylib"],
    SOL_SOCKET: 0xffff,
    SO_SNDBUF: 0x1001,
    SO_RCVBUF: 0x1002,
  },
};

/** The library, once it was looked for: null if it can't be called. */
let opened: { readonly libc: Libc; readonly system: System } | null | undefined;

function open(): { readonly libc: Libc; readonly system: System } | null {
  if (opened !== undefined) return opened;
  opened = null;
  const { process } = globalThis as unknown as {
    process: { platform: string; getBuiltinModule?(name: string): unknown };
  };
  const system = SYSTEMS[process.platform];
  const ffi = process.getBuiltinModule?.("bun:ffi") as BunFfi | undefined;
  for (const name of ffi && system ? system.libraries : []) {
    try {
      const { symbols: libc } = ffi!.dlopen(name, {
        setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
        getsockopt: { args: ["int", "int", "int", "ptr", "ptr"], returns: "int" },
      });
      return opened = { libc, system };
    } catch {
      // This system has another one.
    }
  }
  return opened;
}

/** A buffer of a socket. */
export type BufferName = "receiveBuffer" | "sendBuffer";

function optionOf(name: BufferName, { SO_RCVBUF, SO_SNDBUF }: System): number {
  return name === "receiveBuffer" ? SO_RCVBUF : SO_SNDBUF;
}

/** Sets the size of a buffer in bytes. False where that is not possible. */
export function setBufferSize(fd: number, name: BufferName, size: number): boolean {
  const found = open();
  if (!found) return false;
  const { libc, system } = found;
  const value = new Int32Array([size]);
  return libc.setsockopt(fd, system.SOL_SOCKET, optionOf(name, system), value, 4) === 0;
}

/** The size of a buffer in bytes; undefined where it can't be told. */
export function bufferSize(fd: number, name: BufferName): number | undefined {
  const found = open();
  if (!found) return undefined;
  const { libc, system } = found;
  const value = new Int32Array(1), size = new Int32Array([4]);
  const result = libc.getsockopt(fd, system.SOL_SOCKET, optionOf(name, system), value, size);
  return result === 0 ? value[0] : undefined;
}
