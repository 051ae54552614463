import { assert, assertEquals, assertThrows } from "@std/assert";
import { turbo } from "../../kcp/mod.ts";
import { PathMtu } from "../../kcp/path_mtu.ts";
import { Random } from "../../transport/link/random.ts";
import { End, pattern } from "./harness.ts";
import { Path, type Traffic } from "./path_mtu_harness.ts";

const FULL = { ...turbo, mtu: 1452 };

/** Sizes of the packets in which an end sends `bytes` new bytes. */
function sizes(end: End, now: number, bytes: number): number[] {
  end.kcp.write(pattern(bytes));
  return end.packets(now).map(({ length }) => length);
}

Deno.test("path limit: it holds at once, in both directions, and the settings stay", () => {
  const end = new End(FULL);
  end.kcp.limitPath(1287);
  assertEquals(sizes(end, 0, 2 * 1263), [1287, 1287]);
  end.kcp.limitPath(1413);
  assertEquals(sizes(end, 1, 2 * 1389), [1413, 1413]);
  end.kcp.limitPath(1287);
  assertEquals(sizes(end, 2, 2 * 1263).filter((size) => size > 1000), [1287, 1287]);
  end.kcp.limitPath(Infinity);
  assertEquals(end.kcp.pathMtu, 1452);
  assertEquals([end.kcp.options.mtu, end.kcp.options.maxMtu], [1452, 1452]);
  assertEquals(end.kcp.stats.pathMtuReductions, 0);
});

Deno.test("path limit: data that waits is cut anew", () => {
  const end = new End(FULL);
  end.kcp.write(pattern(4 * 1428));
  end.kcp.limitPath(600);
  const packets = end.packets(0).map(({ length }) => length);
  assert(Math.max(...packets) <= 600, `a packet of ${Math.max(...packets)} bytes`);
});

Deno.test("path limit: above the settings it changes nothing", () => {
  const end = new End({ ...turbo, mtu: 1200 });
  end.kcp.limitPath(1413);
  assertEquals(end.kcp.pathMtu, 1200);
  end.kcp.configure({ mtu: 1452 });
  assertEquals(end.kcp.pathMtu, 1413);
  end.kcp.configure({ mtu: 1000 });
  assertEquals(end.kcp.pathMtu, 1000);
});

Deno.test("path limit: without data, it sends nothing", () => {
  const end = new End({ ...FULL, extensions: true });
  end.kcp.limitPath(1287);
  assertEquals(end.packets(0), []);
  end.kcp.limitPath(1000);
  assertEquals(end.packets(1), []);
});

Deno.test("path limit: while larger packets are in flight, the peer is asked whether it knows pieces", () => {
  const end = new End(FULL);
  end.kcp.write(pattern(10 * 1428));
  assert(end.packets(0).length >= 10);
  assertEquals(end.packets(1), []);
  end.kcp.limitPath(1287);
  const sizes = end.packets(2).map(({ length }) => length);
  assert(sizes.length > 0 && Math.max(...sizes) < 100, `${sizes}`);
});

Deno.test("path limit: what is larger is known to vanish, until the limit rises", () => {
  const path = new PathMtu(1452, 1452);
  assertEquals(path.vanishes(1452), false);
  path.limit(1287);
  assertEquals([path.vanishes(1287), path.vanishes(1288), path.isSmall], [false, true, true]);
  // It was sent before.
  path.arrived(1452, 5, 6);
  assertEquals([path.vanishes(1288), path.mtu], [true, 1287]);
  path.limit(1413);
  assertEquals([path.vanishes(1413), path.vanishes(1414)], [false, true]);
  path.limit(2000);
  assertEquals([path.mtu, path.isSmall], [1452, false]);
});

Deno.test("path limit: the search for larger packets ends at the limit", () => {
  const path = new Path({ message: 0, ahead: 0, total: 3_000_000 }, {
    ...turbo,
    mtu: 1000,
    maxMtu: 1452,
  });
  path.a.kcp.limitPath(1300);
  path.b.kcp.limitPath(1300);
  let largest = 0;
  const { onTransmit } = path.network;
  path.network.onTransmit = (from, packet) => {
    largest = Math.max(largest, packet.length);
    onTransmit(from, packet);
  };
  path.finish();
  assertEquals(largest, 1300);
  assertEquals(path.a.kcp.pathMtu, 1300);
});

const TRAFFIC: { [kind: string]: Traffic } = {
  "a stream": { message: 0, ahead: 0, total: 400_000 },
  "messages of 3,000 bytes": { message: 3_000, ahead: 1_000, total: 400_000 },
  "one full segment at a time": { message: 1_376, ahead: 1, total: 100_000 },
};

for (const [kind, traffic] of Object.entries(TRAFFIC)) {
  Deno.test(`path limit: ${kind}: who is told that packets got smaller is done earlier`, () => {
    const finished = [true, false].map((told) => {
      const path = new Path(traffic, FULL);
      path.network.at(90, () => {
        path.shrink(1287);
        if (!told) return;
        path.a.kcp.limitPath(1287);
        path.b.kcp.limitPath(1287);
      });
      path.finish();
      if (told) assertEquals(path.a.kcp.stats.pathMtuReductions, 0);
      return path.network.now;
    });
    assert(finished[0] < finished[1], `${finished[0]} ms, ${finished[1]} ms untold`);
  });
}

Deno.test("path limit: every byte arrives while it changes at random", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    for (const traffic of Object.values(TRAFFIC)) {
      const path = new Path(traffic, FULL, { loss: seed % 2 === 0 ? 0 : 0.05 }, seed);
      for (let at = 40; at < 2_000; at += 1 + random.below(200)) {
        const size = 200 + random.below(1_500);
        path.network.at(at, () => {
          path.shrink(size);
          path.a.kcp.limitPath(size);
          path.b.kcp.limitPath(size);
        });
      }
      path.finish();
    }
  }
});

Deno.test("path limit: what is no size is refused", () => {
  const { kcp } = new End(FULL);
  assertThrows(() => kcp.limitPath("1400" as unknown as number), TypeError, "1400");
  assertThrows(() => kcp.limitPath(49), RangeError, "49");
  assertThrows(() => kcp.limitPath(NaN), RangeError, "NaN");
});
