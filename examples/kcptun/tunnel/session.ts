import type { Connection } from "@lowlatency/kcp";
import { type ByteConn, Mux } from "@lowlatency/kcp/mux";
import { DatagramHub } from "../proxy/datagrams.ts";
import type { CommonSettings } from "../settings/settings.ts";
import { CompressedConn } from "../snappy/compressed_conn.ts";
import { muxOptions } from "./kcp_options.ts";
import { AnswerWatch } from "./answer_watch.ts";
import type { PooledSession, Silence } from "./session_pool.ts";
import { SilenceWatch } from "./silence_watch.ts";

/** Streams over one KCP connection, compressed or not. */
export class TunnelSession implements PooledSession {
  /** The streams. */
  readonly mux: Mux;
  /** The connection below. */
  readonly connection: Connection;
  #datagrams: DatagramHub | null = null;
  readonly #packets = new SilenceWatch();
  readonly #answers = new AnswerWatch();

  /**
   * @param connection The connection. It must be used for nothing else.
   * @param settings The settings of the program.
   * @param client Whether this side is the client.
   */
  constructor(connection: Connection, settings: CommonSettings, client: boolean) {
    this.connection = connection;
    const below = settings.nocomp ? connection : forStreams(new CompressedConn(connection));
    this.mux = new Mux(below, { client, ...muxOptions(settings) });
  }

  /** The datagrams of associations. */
  get datagrams(): DatagramHub {
    return this.#datagrams ??= new DatagramHub(this.connection);
  }

  get ended(): boolean {
    return this.mux.state !== "open" || this.connection.state === "closed";
  }

  get silence(): Silence | null {
    const now = performance.now();
    const { lastHeard, rtt, stats: { inFlight } } = this.connection;
    const { dataSent, bytesReceived } = this.mux.stats;
    const answers = this.#answers.note(now, dataSent, bytesReceived);
    if (this.#packets.note(now, inFlight > 0, lastHeard, rtt)) return "packets";
    return answers ? "streams" : null;
  }

  get heard(): boolean {
    return this.connection.lastHeard !== Infinity;
  }

  get streams(): number {
    return this.mux.stats.streams;
  }

  ask(): void {
    // A session that was never heard asks, one that waits for acknowledgments sends again at once.
    this.connection.opened.catch(() => {});
    this.connection.resume();
  }

  abort(reason: string): void {
    this.connection.abort(reason);
  }

  close(): void {
    // A peer that was never heard is not waited for.
    if (this.connection.lastHeard === Infinity) this.connection.abort();
    else this.mux.close();
  }
}

/** A compressed connection below streams. When they have ended, both of its directions have. */
function forStreams(conn: CompressedConn): ByteConn {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => Promise.resolve(conn.finish()),
    close: () => conn.close(),
    ref: () => conn.ref(),
    unref: () => conn.unref(),
    localAddr: conn.localAddr,
    remoteAddr: conn.remoteAddr,
  };
}
