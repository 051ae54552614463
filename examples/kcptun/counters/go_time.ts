/**
 * Formats times after the layouts of Go, in which the parts of Mon Jan 2 15:04:05 MST 2006 stand for
 * those of the time. Source: the documentation of the package `time`.
 *
 * @module
 */

/** A time as the clocks of a place show it. */
export interface LocalTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** 0 to 6, from Sunday. */
  readonly weekday: number;
  /** 1 to 366. */
  readonly yearDay: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 to 999. */
  readonly millisecond: number;
  /** Minutes east of Greenwich. */
  readonly offset: number;
  /** The short name of the zone. */
  readonly zone: string;
}

const MONTHS = [
  ..."January February March April May June July".split(" "),
  ..."August September October November December".split(" "),
];
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** A number with zeros before it. */
function zeros(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}

/** A number with spaces before it. */
function spaces(value: number, width = 2): string {
  return String(value).padStart(width, " ");
}

/** The offset of the zone: its sign, hours, and what follows them. */
function offsetOf({ offset }: LocalTime, layout: string): string {
  if (layout.startsWith("Z") && offset === 0) return "Z";
  const minutes = Math.abs(offset);
  const parts = layout.slice(1);
  const text = parts.replace("07", zeros(Math.floor(minutes / 60)))
    // What is left are minutes, and seconds that no zone has today.
    .replace(/(?<=^..:?)00/, zeros(minutes % 60));
  return (offset < 0 ? "-" : "+") + text;
}

/** The part of a second after `.` or `,`: zeros are for all digits, nines for those that count. */
function fractionOf({ millisecond }: LocalTime, layout: string): string {
  const digits = zeros(millisecond, 3).padEnd(9, "0").slice(0, layout.length - 1);
  if (layout[1] === "0") return layout[0] + digits.padEnd(layout.length - 1, "0");
  const kept = digits.replace(/0+$/, "");
  return kept === "" ? "" : layout[0] + kept;
}

/** What stands for a part of the time, and how it is shown. An earlier entry goes first. */
const PARTS: readonly [RegExp, (time: LocalTime, layout: string) => string][] = [
  [/January/, ({ month }) => MONTHS[month - 1]],
  [/Jan(?![a-z])/, ({ month }) => MONTHS[month - 1].slice(0, 3)],
  [/Monday/, ({ weekday }) => DAYS[weekday]],
  [/Mon(?![a-z])/, ({ weekday }) => DAYS[weekday].slice(0, 3)],
  [/MST/, ({ zone }) => zone],
  [/002/, ({ yearDay }) => zeros(yearDay, 3)],
  [/01/, ({ month }) => zeros(month)],
  [/02/, ({ day }) => zeros(day)],
  [/03/, ({ hour }) => zeros(hour % 12 || 12)],
  [/04/, ({ minute }) => zeros(minute)],
  [/05/, ({ second }) => zeros(second)],
  [/06/, ({ year }) => zeros(year % 100)],
  [/15/, ({ hour }) => zeros(hour)],
  [/1/, ({ month }) => String(month)],
  [/2006/, ({ year }) => zeros(year, 4)],
  [/2/, ({ day }) => String(day)],
  [/_2006/, ({ year }) => `_${zeros(year, 4)}`],
  [/__2/, ({ yearDay }) => spaces(yearDay, 3)],
  [/_2/, ({ day }) => spaces(day)],
  [/3/, ({ hour }) => String(hour % 12 || 12)],
  [/4/, ({ minute }) => String(minute)],
  [/5/, ({ second }) => String(second)],
  [/PM/, ({ hour }) => hour < 12 ? "AM" : "PM"],
  [/pm/, ({ hour }) => hour < 12 ? "am" : "pm"],
  [/[-Z]07(?:0000|:00:00|00|:00)?/, offsetOf],
  [/[.,](?:0+|9+)(?!\d)/, fractionOf],
];

const ANY = new RegExp(PARTS.map(([{ source }]) => `(${source})`).join("|"), "g");

/**
 * Formats a time.
 *
 * @param layout A layout of Go, such as `snmp-20060102.log`. What stands for no part stays.
 */
export function formatTime(layout: string, time: LocalTime): string {
  return layout.replaceAll(ANY, (found, ...groups) => {
    const part = groups.slice(0, PARTS.length).findIndex((group) => group !== undefined);
    return PARTS[part][1](time, found);
  });
}

/** The time of a date in the zone of this machine. */
export function localTime(date: Date): LocalTime {
  const [year, month, day] = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(date);
  return {
    year,
    month,
    day,
    weekday: date.getDay(),
    yearDay: (Date.UTC(year, month - 1, day) - Date.UTC(year, 0, 0)) / 86_400_000,
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
    millisecond: date.getMilliseconds(),
    offset: -date.getTimezoneOffset(),
    zone: parts.find(({ type }) => type === "timeZoneName")?.value ?? "UTC",
  };
}
