/**
 * One program for `Deno.QuicConn` runs on QUIC and on a mux.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { turbo } from "../../../mod.ts";
import { connectMux, listenMux, type Mux, type MuxStream } from "../../../transport/mux.ts";
import { type Conn, type Listener, serve, talk } from "./quic_program.ts";

/** Where the program gets its connections from: the only thing that differs. */
interface Backend {
  listen(): Promise<
    { listener: Listener; port: number; close(): Promise<void> }
  >;
  connect(port: number): Promise<Conn>;
}

const folder = new URL("../../bench/", import.meta.url);
const cert = await Deno.readTextFile(new URL("localhost.crt", folder));
const key = await Deno.readTextFile(new URL("localhost.key", folder));
const alpnProtocols = ["test"];

const BACKENDS: Record<string, Backend> = {
  "Deno's QUIC": {
    // deno-lint-ignore require-await -- the other one waits
    listen: async () => {
      const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
      const listener = endpoint.listen({ cert, key, alpnProtocols });
      // deno-lint-ignore require-await
      return { listener, port: endpoint.addr.port, close: async () => endpoint.close() };
    },
    connect: async (port) =>
      await Deno.connectQuic({
        hostname: "127.0.0.1",
        port,
        serverName: "localhost",
        caCerts: [cert],
        alpnProtocols,
      }),
  },
  "a mux": {
    listen: async () => {
      const listener = await listenMux({ hostname: "127.0.0.1", ...turbo });
      const close = async () => await listener[Symbol.asyncDispose]();
      return { listener, port: listener.addr.port, close };
    },
    connect: (port) => connectMux({ port, ...turbo }),
  },
};

for (const [name, backend] of Object.entries(BACKENDS)) {
  Deno.test(`a program for QUIC runs on ${name}`, async () => {
    const { listener, port, close } = await backend.listen();
    const serving = serve(listener);
    const conn = await backend.connect(port);
    const seen = await talk(conn);
    assertEquals(seen.answers, ["ONE", "TWO", "THREE", "OWN MEMORY"]);
    assertEquals([seen.large, seen.order, seen.datagram], [1_000_000, 5, "ping"]);
    assertEquals([seen.failed, typeof seen.ids[0], seen.ids[0]], [true, "bigint", seen.ids[1]]);
    await conn.closed.catch(() => {});
    listener.stop();
    await close();
    await serving.catch(() => {});
  });
}

Deno.test("mux: its types are those of QUIC and of WebTransport", () => {
  // These are checked by the compiler.
  const quic = (mux: Mux): Conn => mux;
  const streams = (stream: MuxStream): Deno.QuicBidirectionalStream => stream;
  const tcp = (stream: MuxStream): Deno.Conn<Deno.NetAddr> => stream;
  const web = (mux: Mux): Omit<WebTransport, "datagrams"> => mux;
  assertEquals([quic, streams, tcp, web].map((check) => check.length), [1, 1, 1, 1]);
});
