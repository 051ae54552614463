/**
 * Opens a UDP socket of the runtime: the choice where the options have no `bind`.
 *
 * @module
 */
import { builtinModule } from "../connection/builtin_modules.ts";
import type { DatagramSocket } from "../connection/driver.ts";
import { bindOwn, checkOwnSockets } from "../deno/own_socket.ts";
import { openDefaultSocket } from "../node/default_socket.ts";
import type { SocketModules } from "../node/open_socket.ts";

/** What tells the runtimes apart. `process` may be an imitation, in a browser, too. */
interface RuntimeGlobals {
  readonly Deno?: unknown;
  readonly navigator?: { readonly userAgent?: string };
  readonly process?: { readonly versions?: { readonly node?: string } };
}

/** The function that needs a socket. */
type Purpose = "connect" | "listen";

/**
 * Checks that the runtime has UDP sockets.
 *
 * @param purpose The function that needs one.
 * @throws {Error} When it has none. The message says what to use instead.
 */
export function checkSockets(purpose: Purpose): void {
  if (isDeno()) checkOwnSockets(purpose);
  else nodeModules(purpose);
}

/** Opens a socket of Deno, of Linux, of Node.js, or of Bun. */
export function openOwnSocket(
  hostname: string,
  port: number,
  purpose: Purpose = "listen",
): Promise<DatagramSocket> {
  if (isDeno()) return bindOwn(hostname, port, purpose);
  return openDefaultSocket(nodeModules(purpose), hostname, port);
}

function isDeno(): boolean {
  return (globalThis as RuntimeGlobals).Deno !== undefined;
}

/**
 * The modules of Node.js, which Bun has, too.
 *
 * @throws {Error} When the runtime has no UDP sockets, or does not give its modules.
 */
function nodeModules(purpose: Purpose): SocketModules {
  const { navigator, process } = globalThis as RuntimeGlobals;
  // Workers of Cloudflare have the modules of Node.js. Their sockets of node:dgram do nothing.
  const isNode = process?.versions?.node !== undefined &&
    navigator?.userAgent !== "Cloudflare-Workers";
  if (!isNode) {
    const dials = purpose === "connect" ? '"@lowlatency/kcp/webtransport", ' : "";
    throw new Error(
      `Cannot ${purpose}: this runtime has no UDP sockets; use ${dials}"@lowlatency/kcp/webrtc", ` +
        `or ${purpose}On of "@lowlatency/kcp/transport" with a datagram socket of your own`,
    );
  }
  const dgram = builtinModule("node:dgram"), os = builtinModule("node:os");
  if (!dgram || !os) {
    throw new Error(
      `Cannot ${purpose}: this needs Node.js 20.16, 22.3 or later; ` +
        `import { ${purpose} } from "@lowlatency/kcp/node"`,
    );
  }
  return { dgram, os, diagnosticsChannel: builtinModule("node:diagnostics_channel") };
}
