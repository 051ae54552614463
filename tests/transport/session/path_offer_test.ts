import { assert, assertEquals } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { PacketBatch } from "../../../kcp/mod.ts";
import { wholeOverLoopback } from "../../../transport/connection/loopback.ts";
import { Endpoint, type EndpointOptions, type Session } from "../../../transport/mod.ts";
import { pattern } from "../../kcp/harness.ts";
import { drain } from "../harness.ts";

const CLIENT = "127.0.0.1:1000";
const SERVER = "127.0.0.1:80";
/** Bytes of the largest packet that the imitated socket knows to arrive whole. */
const WHOLE = 5_000;

/** A client and a server on sockets that know the way, without delay between them. */
class Pair {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly session: Session;
  accepted: Session | null = null;
  /** The largest packet of the client so far. */
  largest = 0;
  #now = 0;
  #drawn = 0;
  /** How long (ms) the answers of the server take, and those that are under way. */
  latency = 0;
  #answers: { at: number; packet: Uint8Array }[] = [];
  readonly #batches: readonly PacketBatch[];

  constructor(options: EndpointOptions = {}, serverOptions: EndpointOptions = {}) {
    // No two nonces are the same.
    const entropy = (target: Uint8Array<ArrayBuffer>) => {
      for (let i = 0; i + 4 <= target.length; i += 4) {
        new DataView(target.buffer, target.byteOffset).setUint32(i, this.#drawn++);
      }
    };
    const both = { entropy, ...options };
    this.client = new Endpoint(both);
    this.server = new Endpoint({ ...both, ...serverOptions }, true);
    for (const endpoint of [this.client, this.server]) endpoint.wholePacketSize = () => WHOLE;
    this.#batches = [this.client, this.server].map(({ arena }) => new PacketBatch({ arena }));
    this.session = this.client.open(SERVER, 1, 0);
  }

  /**
   * Sends bytes from the client to the server, and reads them there.
   *
   * @param from The address of the server.
   */
  send(length: number, from: string = SERVER): void {
    let got = 0;
    for (let written = 0; got < length; this.#now += 5) {
      assert(this.#now < 100_000, `${got} of ${length} bytes have arrived`);
      written += this.session.write(pattern(length - written, written));
      for (const packet of packetsOf(this.client, this.#batches[0], this.#now)) {
        this.largest = Math.max(this.largest, packet.length);
        this.server.input(packet, this.#now, CLIENT);
      }
      this.accepted ??= this.server.accept();
      if (this.accepted) got += drain(this.accepted).length;
      for (const packet of packetsOf(this.server, this.#batches[1], this.#now)) {
        this.#answers.push({ at: this.#now + this.latency, packet });
      }
      while (this.#answers.length > 0 && this.#answers[0].at <= this.#now) {
        this.client.input(this.#answers.shift()!.packet, this.#now, from);
      }
    }
  }
}

/** The packets that are due. */
function packetsOf(endpoint: Endpoint, batch: PacketBatch, now: number): Uint8Array[] {
  const packets: Uint8Array[] = [];
  endpoint.tick(now);
  for (batch.clear(); endpoint.output(batch) > 0; batch.clear()) {
    for (const packet of batch) packets.push(packet.slice());
  }
  return packets;
}

Deno.test("path offer: a session that sends much uses the packets that its socket knows to arrive", () => {
  const pair = new Pair();
  pair.send(2_000_000);
  const { session, accepted } = pair;
  assertEquals([session.stats.pathMtu, session.options.maxMtu, pair.largest], [
    5_000,
    5_000,
    5_000,
  ]);
  assertEquals([session.options.mtu, session.stats.pathMtuReductions], [1_400, 0]);
  assertEquals(accepted!.stats.pathMtu, 1_400, "the other end has sent nothing");
});

Deno.test("path offer: with encryption and error correction, no packet is larger", () => {
  const crypt = createCipher("aes-128-gcm", new Uint8Array(16));
  const pair = new Pair({ crypt, fec: { dataShards: 3, parityShards: 1 } });
  pair.send(2_000_000);
  assertEquals([pair.largest, pair.session.stats.pathMtu], [5_000, 5_000]);
});

Deno.test("path offer: a session that sends little does not search", () => {
  const pair = new Pair();
  pair.send(60_000);
  assertEquals([pair.session.stats.pathMtu, pair.session.options.maxMtu], [1_400, 1_400]);
  assertEquals(pair.largest, 1_400);
});

Deno.test("path offer: no more bytes wait to be sent than with packets of the usual size", () => {
  const pair = new Pair();
  pair.send(2_000_000);
  assertEquals(pair.session.stats.pathMtu, 5_000);
  const usual = pair.session.options.sndQueue * 1_376;
  const taken = pair.session.write(new Uint8Array(3 * usual));
  assert(taken > usual - 5_000 && taken < usual + 5_000, `${taken} bytes are taken`);
});

Deno.test("path offer: what the application has set holds", () => {
  for (const options of [{ mtu: 1_400 }, { maxMtu: 2_000 }, { mtu: 3_000, maxMtu: 2_000 }]) {
    const pair = new Pair(options);
    pair.send(2_000_000);
    const most = Math.max(options.mtu ?? 0, options.maxMtu ?? 0);
    assertEquals([pair.session.stats.pathMtu, pair.largest], [most, most]);
  }
});

Deno.test("path offer: an mtu that the application sets later ends it", () => {
  const pair = new Pair();
  pair.send(2_000_000);
  pair.session.configure({ sndWnd: 1000 });
  assertEquals(pair.session.stats.pathMtu, 5_000, "another setting changes nothing");
  pair.session.configure({ mtu: 1_200 });
  pair.send(2_000_000);
  assertEquals([pair.session.stats.pathMtu, pair.session.options.maxMtu], [1_200, 1_200]);
});

Deno.test("path offer: a peer of another implementation gets no larger packets", () => {
  const pair = new Pair({}, { extensions: false });
  pair.send(2_000_000);
  assertEquals([pair.session.stats.pathMtu, pair.largest], [1_400, 1_400]);
});

Deno.test("path offer: a peer behind a relay, whose answers take longer, gets no larger packets", () => {
  for (const latency of [0, 5]) {
    const pair = new Pair();
    pair.latency = latency;
    pair.send(2_000_000);
    const size = latency === 0 ? 5_000 : 1_400;
    assertEquals([pair.session.stats.pathMtu, pair.largest], [size, size], `${latency} ms`);
  }
});

Deno.test("path offer: after a move, packets have the usual size again", () => {
  const pair = new Pair({ migrate: true });
  pair.send(2_000_000);
  assertEquals(pair.session.stats.pathMtu, 5_000);
  pair.send(2_000_000, "127.0.0.1:81");
  assertEquals(pair.session.peer, "127.0.0.1:81");
  pair.largest = 0;
  pair.send(2_000_000, "127.0.0.1:81");
  assertEquals([pair.session.stats.pathMtu, pair.session.options.maxMtu], [1_400, 1_400]);
  assertEquals(pair.largest, 1_400);
});

Deno.test("path offer: the loopback takes large packets whole", () => {
  for (const peer of ["127.0.0.1:80", "127.1.2.3:9", "[::1]:80", "127.0.0.2>127.0.0.1:80"]) {
    assertEquals(wholeOverLoopback(peer), 7_800, peer);
  }
  for (
    const peer of ["10.0.0.1:80", "[fe80::1%2]:80", "[2001:db8::1]:80", "127.0.0.1>10.0.0.1:80"]
  ) {
    assertEquals(wholeOverLoopback(peer), 0, peer);
  }
});
