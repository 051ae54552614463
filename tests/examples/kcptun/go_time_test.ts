import { assertEquals } from "@std/assert";
import {
  formatTime,
  type LocalTime,
  localTime,
} from "../../../examples/kcptun/counters/go_time.ts";
import { readVectors } from "../../vectors/vectors.ts";

const { times, layouts } = readVectors("go_time.json");

/** A moment as a place shows it that is so many seconds east. */
function at({ unix, nanos, offset, zone }: (typeof times)[0]): LocalTime {
  const date = new Date((unix + offset) * 1000 + nanos / 1e6);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  return {
    year,
    month: month + 1,
    day,
    weekday: date.getUTCDay(),
    yearDay: Math.floor((date.getTime() - Date.UTC(year, 0, 0)) / 86_400_000),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    millisecond: date.getUTCMilliseconds(),
    offset: offset / 60,
    zone,
  };
}

for (const { layout, texts } of layouts) {
  Deno.test(`Go's time: ${JSON.stringify(layout)}`, () => {
    assertEquals(times.map((time) => formatTime(layout, at(time))), texts);
  });
}

Deno.test("Go's time: that of this machine", () => {
  const date = new Date(2024, 11, 31, 23, 59, 58, 7);
  const { zone: _zone, offset, ...rest } = localTime(date);
  assertEquals(rest, {
    year: 2024,
    month: 12,
    day: 31,
    weekday: 2,
    yearDay: 366,
    hour: 23,
    minute: 59,
    second: 58,
    millisecond: 7,
  });
  assertEquals(offset, -date.getTimezoneOffset());
});
