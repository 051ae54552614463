/**
 * The types of the library stand alone: programs that do not run on Deno lack its types. On Deno, the
 * two kinds fit each other. The compiler proves it; `deno check` and `deno test --check` run it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Connection, Listener, UdpAddress } from "../../../mod.ts";
import {
  type DenoDatagramConn,
  DenoSocket,
  type LossyProxy,
  startProxy,
} from "../../../transport/deno.ts";
import type { MuxStream } from "../../../transport/mux.ts";

/** Compiles only if each value of the first type is one of the second. */
function fits<_From extends To, To>(): void {}

Deno.test("types: sockets of Deno fit those of the library, and addresses those of Deno", () => {
  fits<Deno.DatagramConn, DenoDatagramConn>();
  fits<UdpAddress, Deno.NetAddr>();
  fits<UdpAddress, Deno.Addr>();
  fits<Connection["remoteAddr"], Deno.NetAddr>();
  fits<Listener["addr"], Deno.NetAddr>();
  fits<LossyProxy["addr"], Deno.NetAddr>();
  // @ts-expect-error The test can fail: a socket of Deno is no TCP connection.
  fits<Deno.DatagramConn, Deno.TcpConn>();
});

Deno.test("types: connections and streams fit what Deno and Web Streams take", () => {
  fits<Connection, Deno.Conn<Deno.NetAddr>>();
  fits<Connection, ReadableWritablePair<Uint8Array, Uint8Array>>();
  fits<MuxStream, Deno.Conn<Deno.NetAddr>>();
  fits<MuxStream, Deno.QuicBidirectionalStream>();
});

Deno.test("types: the socket of a DenoSocket is the one that it was made of", () => {
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const socket = new DenoSocket(conn);
  const same = socket.conn as Deno.DatagramConn;
  assertEquals(same, conn);
  socket.close();
});

Deno.test("types: the sockets of the proxy have an address of Deno", async () => {
  await using proxy = await startProxy({ target: { hostname: "127.0.0.1", port: 9 } });
  const { transport, hostname }: Deno.NetAddr = proxy.addr;
  assertEquals([transport, hostname], ["udp", "127.0.0.1"]);
});
