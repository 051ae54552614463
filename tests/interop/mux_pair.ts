/**
 * Pairs of a session of ours and one of smux, for the tests.
 *
 * @module
 */
import { connect, type Connection, type ConnectOptions, listen } from "../../mod.ts";
import { type LinkOptions, startProxy } from "../../transport/deno.ts";
import { Mux, type MuxMachineOptions } from "../../transport/mux.ts";
import { MachineMux } from "./mux_machine.ts";
import type {
  SmuxEnd,
  SmuxKcp,
  SmuxPeer,
  SmuxSession,
  SmuxSettings,
  StreamPlan,
} from "./mux_peer.ts";
import type { OurMux } from "./mux_streams.ts";

/** A session of ours and one of smux on one connection. */
export interface Pair<M extends OurMux = OurMux> {
  ours: M;
  theirs: SmuxSession;
  /** Closes what is below both. */
  close(): Promise<void>;
}

/** Who dials: the client of the mux is the one that dials. */
export type Dialler = "ours" | "smux";

/** What a pair runs on. */
export interface Below {
  over: "tcp" | "kcp";
  /** Settings of both ends of KCP. */
  kcp?: { ours: Omit<ConnectOptions, "port">; theirs: SmuxKcp };
  /** What happens to packets, in each direction. Default: there is no proxy between. */
  link?: LinkOptions;
}

/** How a pair is made. */
export interface PairOptions {
  version: 1 | 2;
  dialler: Dialler;
  ours?: Partial<MuxMachineOptions>;
  theirs?: SmuxSettings;
  /** What smux does on the streams that we open. Default: it closes them. */
  plan?: StreamPlan;
}

/** Makes a mux of ours on a connection. */
export type MakeMux<M extends OurMux> = (
  conn: Connection | Deno.TcpConn,
  options: MuxMachineOptions,
) => M;

const HOST = "127.0.0.1";

/** Makes a pair. */
export async function makePair<M extends OurMux>(
  peer: SmuxPeer,
  below: Below,
  { version, dialler, ours, theirs, plan }: PairOptions,
  make: MakeMux<M>,
): Promise<Pair<M>> {
  const { over, kcp, link } = below;
  const end: SmuxEnd = { over, smux: { ...theirs, version }, kcp: kcp?.theirs };
  await using stack = new AsyncDisposableStack();
  /** The port for the end that dials: that of the listener, or that of a proxy before it. */
  const way = async (port: number) => {
    if (!link) return port;
    const target = { hostname: HOST, port };
    const proxy = stack.use(await startProxy({ target, up: link, down: link }));
    return proxy.addr.port;
  };
  let conn: Connection | Deno.TcpConn;
  let session: SmuxSession;
  if (dialler === "ours") {
    const listener = await peer.listen(end, plan);
    const port = await way(listener.port);
    if (over === "kcp") {
      const ours = await connect({ ...kcp?.ours, hostname: HOST, port });
      // kcp-go accepts on the first packet.
      await ours.opened;
      stack.defer(() => ours.abort());
      conn = ours;
    } else conn = await Deno.connect({ hostname: HOST, port });
    session = await listener.accept();
    // kcp-go's sessions need their listener.
    stack.defer(() => listener.close());
  } else if (over === "kcp") {
    const listener = stack.use(await listen({ ...kcp?.ours, hostname: HOST }));
    session = await peer.dial(await way(listener.addr.port), end, plan);
    const ours = await listener.accept();
    // A kcp-go that was closed acknowledges no end.
    stack.defer(() => ours.abort());
    conn = ours;
  } else {
    using listener = Deno.listen({ hostname: HOST, port: 0 });
    const dialled = peer.dial(listener.addr.port, end, plan);
    conn = await listener.accept();
    session = await dialled;
  }
  const mux = make(conn, { ...ours, version, client: dialler === "ours" });
  const rest = stack.move();
  return { ours: mux, theirs: session, close: () => rest.disposeAsync() };
}

/** The machine alone. */
export const makeMachine: MakeMux<MachineMux> = (conn, options) => new MachineMux(conn, options);

/** The whole. */
export const makeMux: MakeMux<Mux> = (conn, options) => new Mux(conn, options);
