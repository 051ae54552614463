import { assert, assertEquals } from "@std/assert";
import { Burst } from "../../../kcp/congestion/burst.ts";
import { Random } from "../../../transport/link/random.ts";

const MTU = 1000;

/** Sends a burst of packets, and then lets each arrive, or not. */
function sendBurst(burst: Burst, now: number, packets: number, arrives: (n: number) => boolean) {
  for (let n = 0; n < packets; n++) burst.send(now, MTU, n * MTU);
  // The burst is over when something is sent later.
  burst.send(now + 1, MTU, packets * MTU);
  for (let n = 0; n < packets; n++) {
    if (arrives(n)) burst.arrive(now, MTU, (n + 1) * MTU);
    else burst.lose(now, MTU);
  }
}

function auto(): Burst {
  const burst = new Burst();
  burst.configure("auto", MTU);
  return burst;
}

Deno.test("burst: it starts at 64, and grows where full bursts arrive whole", () => {
  const burst = auto();
  assertEquals(burst.size, 64);
  for (let now = 0; burst.size < 1024; now += 10) {
    const before = burst.size;
    assert(now < 1000, "within 100 bursts");
    sendBurst(burst, now, before, () => true);
    assert(
      burst.size > before && burst.size <= Math.ceil(before * 1.25),
      `${before} ${burst.size}`,
    );
  }
  sendBurst(burst, 10_000, 1024, () => true);
  assertEquals(burst.size, 1024, "the largest batch of system calls");
});

Deno.test("burst: small bursts that arrive show nothing of larger ones", () => {
  const burst = auto();
  for (let now = 0; now < 1000; now += 10) sendBurst(burst, now, 40, () => true);
  assertEquals(burst.size, 64);
});

Deno.test("burst: it halves when the end of a burst is lost, down to 8", () => {
  const burst = auto();
  const sizes = [];
  for (let now = 0; now < 100; now += 10) {
    const { size } = burst;
    sendBurst(burst, now, size, (n) => n < size * 0.7);
    sizes.push(burst.size);
  }
  assertEquals(sizes, [32, 16, 8, 8, 8, 8, 8, 8, 8, 8]);
});

Deno.test("burst: it settles below what a buffer holds, and loses little there", () => {
  const holds = 90;
  const burst = auto();
  let sent = 0, lost = 0, sum = 0;
  for (let now = 0; now < 20_000; now += 10) {
    const { size } = burst;
    sum += size;
    sendBurst(burst, now, size, (n) => n < holds);
    sent += size;
    lost += Math.max(0, size - holds);
  }
  assert(lost / sent < 0.02, `${lost} of ${sent} were lost`);
  assert(sum / 2000 > holds / 2, `the mean is ${sum / 2000}`);
});

Deno.test("burst: random loss of 20 % does not shrink it", () => {
  const random = new Random(5);
  const burst = auto();
  let below = 0;
  for (let now = 0; now < 20_000; now += 10) {
    sendBurst(burst, now, burst.size, () => !random.chance(0.2));
    if (now > 1000 && burst.size < 64) below++;
  }
  assert(below < 20, `${below} of 1900 bursts were smaller than 64`);
});

Deno.test("burst: an outage that takes all of a burst does not shrink it", () => {
  const burst = auto();
  for (let now = 0; now < 1000; now += 10) sendBurst(burst, now, 64, () => false);
  assertEquals(burst.size, 64);
});

Deno.test("burst: a size that is set stays", () => {
  const burst = auto();
  burst.configure(20, MTU);
  sendBurst(burst, 0, 20, () => true);
  sendBurst(burst, 10, 20, (n) => n < 10);
  assertEquals(burst.size, 20);
  burst.configure("auto", MTU);
  sendBurst(burst, 20, 20, (n) => n < 10);
  assertEquals(burst.size, 10, "and it is found out again from there");
});
