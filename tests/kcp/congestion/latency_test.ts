import { assert } from "@std/assert";
import { Link } from "../../../transport/link/link.ts";
import { Random } from "../../../transport/link/random.ts";
import { End, Network } from "../harness.ts";

Deno.test("nc: it allows the whole window on a long path without loss", () => {
  const a = new End({ nc: true, sndWnd: 1000 });
  // An acknowledgment announces the window before the application reads.
  const b = new End({ rcvWnd: 4000, interval: 10 });
  const random = new Random(1);
  const path = { latency: 50 };
  const network = new Network(a, b, new Link(path, random), new Link(path, random));
  let most = 0;
  network.onStep = () => {
    while (a.kcp.send(new Uint8Array(100)));
    while (b.recv());
    most = Math.max(most, a.kcp.stats.inFlight);
  };
  network.run(5000);
  assert(most > 900, `${most} segments of 1000 were in flight`);
});

Deno.test("nc: it follows a path that becomes longer", () => {
  const a = new End({ nc: true, nodelay: 1, interval: 10, sndWnd: 1000 });
  const b = new End({ rcvWnd: 4000, interval: 10 });
  const random = new Random(1);
  const up = new Link({ latency: 1 }, random);
  const down = new Link({ latency: 1 }, random);
  const network = new Network(a, b, up, down);
  let most = 0;
  network.onStep = () => {
    while (a.kcp.send(new Uint8Array(100)));
    while (b.recv());
    most = Math.max(most, a.kcp.stats.inFlight);
  };
  network.run(2000);
  for (const link of [up, down]) link.configure({ latency: 50 });
  network.run(15_000);
  most = 0;
  network.run(5000);
  assert(most > 900, `${most} segments of 1000 were in flight`);
});

Deno.test("nc: a sender never stalls, at any burst and loss", () => {
  for (const burst of [1, 3, 64]) {
    const a = new End({ nc: true, nodelay: 1, resend: 2, burst, interval: 10 });
    const b = new End({ interval: 10 });
    const random = new Random(burst);
    const path = { latency: 30, loss: 0.2 };
    const network = new Network(
      a,
      b,
      new Link(path, random.fork("a")),
      new Link(path, random.fork("b")),
    );
    let got = 0;
    for (let i = 0; i < 200; i++) a.kcp.send(new Uint8Array(1));
    network.onStep = () => {
      while (b.recv()) got++;
    };
    assert(network.run(600_000, () => got === 200), `burst ${burst}: ${got} of 200 arrived`);
  }
});
