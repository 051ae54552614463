/**
 * A flood of first packets from forged addresses, and the peers that are there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { turbo } from "../../../mod.ts";
import { Endpoint, type EndpointOptions } from "../../../transport/mod.ts";
import { ACK, encode, pattern, PUSH, type Segment } from "../../kcp/harness.ts";
import { drain, Runner } from "../harness.ts";

const CLIENT = "10.0.0.1:4000";
const SERVER = "10.0.0.2:5000";

function entropy(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = 17 * i + 99;
}

function server(options: EndpointOptions): Runner<Endpoint> {
  return new Runner(new Endpoint({ ...turbo, entropy, ...options }, true));
}

/** The first packet of a conversation. */
function first(conv: number): Uint8Array {
  return encode({ conv, cmd: PUSH, ts: 1000 * conv, data: pattern(100) });
}

Deno.test("flood: a client that must prove its address has its answer in three round trips", () => {
  for (const size of [100, 1024, 20_000]) {
    const a = server({ maxUnconfirmed: 1 });
    const b = new Runner(new Endpoint({ ...turbo, entropy }, false));
    a.machine.input(first(1), 0, "10.9.9.9:1");
    const client = b.machine.open(SERVER, 2, 0);
    client.write(pattern(size));
    let trips = 0;
    // Every packet takes 20 ms: no timeout of the client has passed in three round trips.
    for (; trips < 3 && client.peekSize() < 0; trips++) {
      const now = 40 * trips;
      for (const { packet } of b.sent(now)) a.machine.input(packet, now + 20, CLIENT);
      a.machine.input(first(3 + trips), now + 20, `10.9.9.9:${3 + trips}`);
      for (let session; (session = a.machine.accept());) {
        if (session.peer === CLIENT) session.write(drain(session));
      }
      for (const { packet, to } of a.sent(now + 20)) {
        if (to === CLIENT) b.machine.input(packet, now + 40, SERVER);
      }
    }
    assert(a.machine.stats.asked > 0, "The listener has asked for no proof");
    assert(client.peekSize() > 0, `no answer to ${size} bytes after ${trips} round trips`);
  }
});

Deno.test("flood: a peer that sends again stays; one that sent one packet gives way", () => {
  const a = server({ maxUnconfirmed: 3 });
  a.machine.input(first(1), 0, CLIENT);
  a.machine.input(first(2), 1, "10.9.9.9:2");
  a.machine.input(first(3), 2, "10.9.9.9:3");
  const sessions = () => [...a.machine.sessions].map(({ conv }) => conv).sort();
  a.sent(2);
  // The client retransmits.
  assert(a.machine.input(first(1), 300, CLIENT));
  a.machine.input(first(4), 10_001, "10.9.9.9:4");
  a.machine.input(first(5), 10_002, "10.9.9.9:5");
  assertEquals(sessions(), [1, 4, 5], "the client has given way");
  // The others are new: the listener asks, and nobody gives way.
  a.machine.input(first(6), 15_000, "10.9.9.9:6");
  assertEquals([sessions(), a.machine.stats.asked], [[1, 4, 5], 1]);
  a.machine.input(first(7), 20_001, "10.9.9.9:7");
  assertEquals(sessions(), [1, 5, 7]);
});

Deno.test("flood: if all have sent again, the one that was silent for the longest time gives way", () => {
  const a = server({ maxUnconfirmed: 2 });
  for (const conv of [1, 2]) a.machine.input(first(conv), 0, `10.0.0.${conv}:1`);
  for (const conv of [2, 1]) a.machine.input(first(conv), 500 - conv, `10.0.0.${conv}:1`);
  a.machine.input(first(3), 10_400, "10.0.0.3:1");
  assertEquals(a.machine.stats.asked, 1);
  a.machine.input(first(3), 10_498, "10.0.0.3:1");
  assertEquals([...a.machine.sessions].map(({ conv }) => conv).sort(), [1, 3]);
});

Deno.test("flood: first data that travels with a probe of the path MTU opens a conversation", () => {
  const probe: Partial<Segment> = { conv: 2, cmd: PUSH, sn: -2 };
  const data: Partial<Segment> = { conv: 2, cmd: PUSH, data: pattern(100) };
  for (const segments of [[data, probe], [probe, data]]) {
    const a = server({});
    assert(a.machine.input(encode(...segments), 0, CLIENT));
    assertEquals(drain(a.machine.accept()!), pattern(100));
  }
  const a = server({});
  assertEquals(a.machine.input(encode(probe), 0, CLIENT), false, "a probe alone has no data");
  const older = { ...probe, data: pattern(1) };
  assertEquals(
    a.machine.input(encode(data, older), 0, CLIENT),
    false,
    "older data is no first data",
  );
});

Deno.test("flood: data that travels with the echo of a cookie and a probe is no stranger's", () => {
  const a = server({ maxUnconfirmed: 1 });
  a.machine.input(first(1), 0, "10.9.9.9:1");
  a.machine.input(first(2), 0, CLIENT);
  const [question] = a.sent(0).filter(({ to }) => to === CLIENT).map(({ segments }) => segments[0]);
  const echo: Partial<Segment> = { conv: 2, cmd: ACK, sn: -1, ts: question.ts };
  const data: Partial<Segment> = { conv: 2, cmd: PUSH, data: pattern(100) };
  const probe: Partial<Segment> = { conv: 2, cmd: PUSH, sn: -2 };
  assert(a.machine.input(encode(echo, data, probe), 20, CLIENT));
  const reset = a.sent(20).filter(({ to, segments }) => to === CLIENT && segments[0].cmd === 88);
  assertEquals(reset, []);
  a.machine.accept();
  assertEquals(drain(a.machine.accept()!), pattern(100));
});
