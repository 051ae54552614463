import { assertEquals } from "@std/assert";
import { Access } from "../../../examples/kcptun/proxy/access.ts";
import { Association } from "../../../examples/kcptun/proxy/association.ts";
import { type DatagramCarrier, DatagramHub } from "../../../examples/kcptun/proxy/datagrams.ts";
import { readRelayed, relayed, requestBytes } from "../../../examples/kcptun/proxy/socks5.ts";
import type { OpenUdp, Receive } from "../../../examples/kcptun/proxy/udp.ts";
import { settle } from "./end.ts";

/** A carrier whose two ends are hubs. Datagrams arrive at the other end. */
function connected(maxDatagramSize = 1000): [DatagramHub, DatagramHub] {
  const queues: Uint8Array[][] = [[], []];
  const wakes = [() => {}, () => {}];
  const carrier = (own: number): DatagramCarrier => ({
    maxDatagramSize,
    sendDatagram: (data) => {
      queues[1 - own].push(data.slice());
      wakes[1 - own]();
      return true;
    },
    receiveDatagram: async () => {
      while (queues[own].length === 0) {
        await new Promise<void>((resolve) => wakes[own] = resolve);
      }
      return queues[own].shift()!;
    },
  });
  return [new DatagramHub(carrier(0)), new DatagramHub(carrier(1))];
}

/** The sockets of a server that a test plays. */
class Sockets {
  readonly sent: string[] = [];
  readonly bound: string[] = [];
  closed = 0;
  receive: Receive = () => {};

  readonly open: OpenUdp = (hostname, receive) => {
    this.bound.push(hostname);
    this.receive = receive;
    return Promise.resolve({
      hostname,
      port: 5000,
      send: (data, to, port) => this.sent.push(`${to} ${port} ${new TextDecoder().decode(data)}`),
      close: () => void this.closed++,
    });
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);
/** A datagram for a name. */
const named = (name: string, port: number, text: string) =>
  Uint8Array.of(0, 0, 0, 3, name.length, ...bytes(name), port >> 8, port & 255, ...bytes(text));

function begin(allow = "") {
  const [near, far] = connected();
  const sockets = new Sockets();
  const looked: string[] = [];
  const association = new Association(7, far, {
    access: new Access(allow, ""),
    openUdp: sockets.open,
    lookUp: (name) => {
      looked.push(name);
      return name === "inside"
        ? Promise.resolve(["10.0.0.1"])
        : name === "none"
        ? Promise.reject(new Error("no such name"))
        : Promise.resolve(["10.0.0.1", "9.9.9.9"]);
    },
  });
  const answers: string[] = [];
  near.add(7, (datagram) => {
    const { hostname, port, payload } = readRelayed(datagram)!;
    answers.push(`${hostname} ${port} ${new TextDecoder().decode(payload)}`);
  });
  return { near, far, sockets, association, answers, looked };
}

Deno.test("association: datagrams leave, and those who were asked may answer", async () => {
  const { near, sockets, answers } = begin();
  near.send(7, relayed({ hostname: "9.9.9.9", port: 53, payload: bytes("ask") }));
  near.send(7, relayed({ hostname: "2606:4700::1", port: 53, payload: bytes("six") }));
  await settle();
  assertEquals(sockets.sent, ["9.9.9.9 53 ask", "2606:4700::1 53 six"]);
  assertEquals(sockets.bound, ["0.0.0.0", "::"]);
  sockets.receive(bytes("answer"), "9.9.9.9", 53);
  sockets.receive(bytes("another port"), "9.9.9.9", 54);
  sockets.receive(bytes("a stranger"), "8.8.8.8", 53);
  await settle();
  assertEquals(answers, ["9.9.9.9 53 answer"]);
});

Deno.test("association: destinations that are closed are not reached, by address or by name", async () => {
  const { near, sockets, looked } = begin("10.0.0.1:53");
  near.send(7, relayed({ hostname: "127.0.0.1", port: 53, payload: bytes("a") }));
  near.send(7, relayed({ hostname: "10.0.0.1", port: 54, payload: bytes("b") }));
  near.send(7, named("inside", 53, "c"));
  near.send(7, named("none", 53, "d"));
  await settle();
  // The name is remembered with an address that is open for the first port only.
  near.send(7, named("inside", 54, "e"));
  near.send(7, named("inside", 53, "f"));
  await settle();
  assertEquals(sockets.sent, ["10.0.0.1 53 c", "10.0.0.1 53 f"]);
  assertEquals(looked, ["inside", "none"]);
});

Deno.test("association: of the addresses of a name, one that is open is used", async () => {
  const { near, sockets } = begin();
  near.send(7, named("mixed", 53, "x"));
  await settle();
  assertEquals(sockets.sent, ["9.9.9.9 53 x"]);
});

Deno.test("association: the destination that was not used for longest may not answer any more", async () => {
  const { near, sockets, answers } = begin();
  for (let port = 1; port <= 257; port++) {
    near.send(7, relayed({ hostname: "9.9.9.9", port, payload: bytes("x") }));
    if (port === 200) near.send(7, relayed({ hostname: "9.9.9.9", port: 1, payload: bytes("x") }));
  }
  for (let i = 0; i < 20; i++) await settle();
  for (const port of [1, 2, 3, 257]) sockets.receive(bytes("y"), "9.9.9.9", port);
  await settle();
  assertEquals(answers, ["9.9.9.9 1 y", "9.9.9.9 3 y", "9.9.9.9 257 y"]);
});

Deno.test("association: it ends with its stream, and closes its sockets", async () => {
  const { near, far, sockets, association } = begin();
  near.send(7, relayed({ hostname: "9.9.9.9", port: 53, payload: bytes("x") }));
  await settle();
  const reading = association.read();
  await association.closeWrite();
  assertEquals(await reading, null);
  assertEquals(await association.read(), null);
  await settle();
  assertEquals([far.count, sockets.closed], [0, 1]);
  near.send(7, relayed({ hostname: "9.9.9.9", port: 53, payload: bytes("late") }));
  await settle();
  assertEquals(sockets.sent.length, 1);
});

Deno.test("datagrams: those of other associations, and what is too large or too short, are dropped", async () => {
  const [near, far] = connected(20);
  const taken: string[] = [];
  far.add(1, (data) => taken.push(`1 ${data.toHex()}`));
  far.add(2 ** 32 - 1, (data) => taken.push(`last ${data.toHex()}`));
  near.send(1, bytes("\0\0\0abc"));
  near.send(2, bytes("\0\0\0abc"));
  near.send(2 ** 32 - 1, bytes("\0\0\0z"));
  assertEquals(near.send(1, new Uint8Array(19)), true);
  assertEquals(near.send(1, new Uint8Array(20)), false);
  await settle();
  assertEquals(taken, [
    "1 000000616263",
    "last 0000007a",
    `1 ${new Uint8Array(19).toHex()}`,
  ]);
});

Deno.test("SOCKS5: the bytes of a request", () => {
  const hex = (hostname: string, command: "connect" | "associate" = "connect") =>
    requestBytes({ command, hostname, port: 443 }).toHex();
  assertEquals(hex("127.0.0.1"), "050100" + "05010001" + "7f000001" + "01bb");
  assertEquals(hex("::1"), "050100" + "05010004" + "0".repeat(31) + "1" + "01bb");
  assertEquals(hex("a.b"), "050100" + "05010003" + "03612e62" + "01bb");
  assertEquals(hex("0.0.0.0", "associate").slice(6, 10), "0503");
});
