import { assert, assertEquals } from "@std/assert";
import { Pair, pattern, readAll } from "./harness.ts";

for (const version of [1, 2] as const) {
  Deno.test(`mux machine ${version}: bytes and ends in both directions`, () => {
    const pair = new Pair({ version });
    const stream = pair.client.open();
    const data = pattern(100_000);
    stream.write(data);
    stream.closeWrite();
    pair.run();
    const accepted = pair.server.accept()!;
    assertEquals(accepted.id, 3);
    assertEquals(readAll(accepted), data);
    assert(accepted.readEnded);
    const answer = pattern(1000, 5);
    accepted.write(answer);
    accepted.closeWrite();
    pair.run();
    assertEquals(readAll(stream), answer);
    assert(stream.readEnded);
    assert(stream.closed);
    assert(accepted.closed);
    assertEquals(pair.client.streams, 0);
    assertEquals(pair.server.streams, 0);
    assertEquals(pair.server.buffered, 0);
  });
}
