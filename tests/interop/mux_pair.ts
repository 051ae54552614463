/**
 * Pairs of a session of ours and one of smux, for the tests.
 *
 * @module
 */
import type { MuxMachineOptions } from "../../transport/mux/machine/mod.ts";
import { MachineMux } from "./mux_machine.ts";
import type { SmuxPeer, SmuxSession, SmuxSettings, StreamPlan } from "./mux_peer.ts";
import type { OurMux } from "./mux_streams.ts";

/** A session of ours and one of smux on one connection. */
export interface Pair<M extends OurMux = OurMux> {
  ours: M;
  theirs: SmuxSession;
}

/** Who dials: the client of the mux is the one that dials. */
export type Dialler = "ours" | "smux";

/** How a pair is made. */
export interface PairOptions {
  version: 1 | 2;
  dialler: Dialler;
  ours?: Partial<MuxMachineOptions>;
  theirs?: SmuxSettings;
  /** What smux does on the streams that we open. Default: it accepts none. */
  plan?: StreamPlan;
}

/** The machine alone and smux, on TCP. */
export async function machinePair(
  peer: SmuxPeer,
  { version, dialler, ours, theirs, plan }: PairOptions,
): Promise<Pair<MachineMux>> {
  const end = { over: "tcp", smux: { ...theirs, version } } as const;
  const options = { ...ours, version, client: dialler === "ours" };
  if (dialler === "ours") {
    const listener = await peer.listen(end, plan);
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    const session = await listener.accept();
    await listener.close();
    return { ours: new MachineMux(conn, options), theirs: session };
  }
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [conn, session] = await Promise.all([
    listener.accept(),
    peer.dial(listener.addr.port, end, plan),
  ]);
  return { ours: new MachineMux(conn, options), theirs: session };
}
