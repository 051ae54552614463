/**
 * The flags of both programs: names, defaults and meanings as in kcptun, and some that it lacks.
 *
 * @module
 */
import type { Side } from "./settings.ts";

/** A whole number from `min` to `max`. */
export interface WholeNumber {
  readonly kind: "number";
  readonly min: number;
  readonly max: number;
  /** Words that stand for something else than a number. */
  readonly words?: readonly string[];
  /** What the number counts. */
  readonly unit?: string;
}

/** A text. */
export interface Text {
  readonly kind: "text";
  /** What stands for the value in the help. */
  readonly value: string;
  /** The values that are known. Others lead to a warning. */
  readonly known?: readonly string[];
  /** What an unknown value means. */
  readonly otherwise?: string;
  /** Whether the shell completes it as a file. */
  readonly file?: boolean;
}

/** A switch, which is off by default. */
export interface Switch {
  readonly kind: "switch";
}

/** What a flag takes. */
export type Type = WholeNumber | Text | Switch;

/** A value of a flag. */
export type Value = string | number | boolean;

/** One flag. */
export interface Flag {
  readonly name: string;
  /** Its short name. */
  readonly short?: string;
  /** Its key in a file; null if it can't be there. Default: its name. */
  readonly key?: string | null;
  readonly type: Type;
  /** The default of each program; a program that is missing does not have the flag. */
  readonly defaults: { readonly [S in Side]?: Value };
  /** What it sets, for the help. */
  readonly help: string;
  /** Whether the help of kcptun does not show it. */
  readonly hidden?: boolean;
  /** Whether kcptun does not have it. */
  readonly own?: boolean;
  /** Why it can't be used, and what to use instead. */
  readonly refused?: string;
}

const MAX_INT = 2 ** 31 - 1;
/** Most seconds: timers of the runtime count 2^31 ms. */
const MAX_SECONDS = 2_147_483;

/** The ciphers of kcptun. */
export const CRYPT_NAMES: readonly string[] = Object.freeze([
  "aes",
  "aes-128",
  "aes-128-gcm",
  "aes-192",
  "salsa20",
  "blowfish",
  "twofish",
  "cast5",
  "3des",
  "tea",
  "xtea",
  "xor",
  "sm4",
  "none",
  "null",
]);

/** The modes of kcptun. */
export const MODE_NAMES: readonly string[] = Object.freeze([
  "fast3",
  "fast2",
  "fast",
  "normal",
  "manual",
]);

function number(min: number, max: number, unit?: string): WholeNumber {
  return { kind: "number", min, max, unit };
}

function text(value: string, more: Omit<Text, "kind" | "value"> = {}): Text {
  return { kind: "text", value, ...more };
}

const SWITCH: Switch = { kind: "switch" };

function both(value: Value): Flag["defaults"] {
  return { client: value, server: value };
}

/** All flags, in the order of the help. */
export const FLAGS: readonly Flag[] = Object.freeze<Flag[]>([
  {
    name: "localaddr",
    short: "l",
    type: text("ADDRESS"),
    defaults: { client: ":12948" },
    help: "TCP address to listen on; a value without a port is the path of a Unix socket",
  },
  {
    name: "remoteaddr",
    short: "r",
    type: text("ADDRESS"),
    defaults: { client: "vps:29900" },
    help: "address of the server, HOST:PORT, or HOST:FIRST-LAST for a random port of a range",
  },
  {
    name: "listen",
    short: "l",
    type: text("ADDRESS"),
    defaults: { server: ":29900" },
    help: "UDP address to listen on, HOST:PORT, or HOST:FIRST-LAST for all ports of a range",
  },
  {
    name: "target",
    short: "t",
    type: text("ADDRESS"),
    defaults: { server: "127.0.0.1:12948" },
    help: "TCP address that streams go to, or the path of a Unix socket; " +
      "socks5 to be a SOCKS5 and HTTP proxy",
  },
  {
    name: "key",
    type: text("SECRET"),
    defaults: both("it's a secrect"),
    help: "secret that both ends share; the environment variable KCPTUN_KEY sets it, too",
  },
  {
    name: "crypt",
    type: text("NAME", { known: CRYPT_NAMES, otherwise: "aes" }),
    defaults: both("aes"),
    help: "cipher, the same at both ends",
  },
  {
    name: "mode",
    type: text("NAME", { known: MODE_NAMES, otherwise: "manual" }),
    defaults: both("fast"),
    help: "how soon lost packets are sent again; manual leaves it to the four flags for that",
  },
  {
    name: "QPP",
    key: "qpp",
    type: SWITCH,
    defaults: both(false),
    help: "not available: the cipher below the streams that kcptun calls quantum permutation pads",
    refused:
      "it is not available here. Leave it out at both ends: --crypt encrypts every packet, " +
      "and aes-128-gcm authenticates it",
  },
  {
    name: "QPPCount",
    key: "qpp-count",
    type: number(0, 65_535),
    defaults: both(61),
    help: "the number of pads of --QPP; it has no effect",
  },
  {
    name: "conn",
    type: number(1, 65_535),
    defaults: { client: 1 },
    help: "number of sessions to the server; connections are dealt out to them in turn",
  },
  {
    name: "autoexpire",
    type: number(0, MAX_SECONDS, "seconds"),
    defaults: { client: 0 },
    help: "after so long a session takes no new connections, and another begins; 0: never",
  },
  {
    name: "scavengettl",
    type: number(0, MAX_SECONDS, "seconds"),
    defaults: { client: 600 },
    help: "how long such a session lives on for the connections that it has",
  },
  {
    name: "mtu",
    type: number(50, 65_507, "bytes"),
    defaults: both(1350),
    help: "largest packet; kcptun takes at most 1472",
  },
  {
    name: "ratelimit",
    type: number(0, 4_294_967_295, "bytes/s"),
    defaults: both(0),
    help: "most that one session sends; 0: no limit",
  },
  {
    name: "sndwnd",
    type: number(1, 65_535, "packets"),
    defaults: { client: 128, server: 1024 },
    help: "send window: most packets in flight",
  },
  {
    name: "rcvwnd",
    type: number(1, 65_535, "packets"),
    defaults: { client: 512, server: 1024 },
    help: "receive window",
  },
  {
    name: "datashard",
    short: "ds",
    type: { ...number(0, 255), words: ["auto"] },
    defaults: both(10),
    help: "data packets in a group of error correction; 0: none; " +
      "auto: as much correction as the losses need",
  },
  {
    name: "parityshard",
    short: "ps",
    type: number(0, 255),
    defaults: both(3),
    help: "parity packets for each group; 0: none",
  },
  {
    name: "dscp",
    type: number(0, 63),
    defaults: both(0),
    help: "class of the packets for routers (DSCP); Linux only",
  },
  {
    name: "nocomp",
    type: SWITCH,
    defaults: both(false),
    help: "no compression; the same at both ends",
  },
  {
    name: "acknodelay",
    type: SWITCH,
    defaults: both(false),
    help: "acknowledge each packet at once",
    hidden: true,
  },
  {
    name: "nodelay",
    type: number(0, 2),
    defaults: both(0),
    help: "with --mode manual: 0 doubles the timeout after each one, 1 adds half of it",
    hidden: true,
  },
  {
    name: "interval",
    type: number(1, 5000, "ms"),
    defaults: both(50),
    help: "with --mode manual: how long acknowledgments may be collected",
    hidden: true,
  },
  {
    name: "resend",
    type: number(0, 255),
    defaults: both(0),
    help: "with --mode manual: later packets that must arrive before one counts as lost; 0: none",
    hidden: true,
  },
  {
    name: "nc",
    type: number(0, MAX_INT),
    defaults: both(0),
    help: "with --mode manual: 0 for congestion control, 1 for none",
    hidden: true,
  },
  {
    name: "sockbuf",
    type: number(4096, 2 ** 30, "bytes"),
    defaults: both(4_194_304),
    help: "buffers of each UDP socket; Linux only",
  },
  {
    name: "smuxver",
    type: number(1, 2),
    defaults: both(2),
    help: "version of the stream protocol (smux), the same at both ends",
  },
  {
    name: "smuxbuf",
    type: number(1, MAX_INT, "bytes"),
    defaults: both(4_194_304),
    help: "most that all streams of a session may hold together",
  },
  {
    name: "framesize",
    type: number(1, 65_535, "bytes"),
    defaults: both(8192),
    help: "largest frame of a stream",
  },
  {
    name: "streambuf",
    type: number(1, MAX_INT, "bytes"),
    defaults: both(2_097_152),
    help: "most that one stream may hold",
  },
  {
    name: "keepalive",
    type: number(1, 30, "seconds"),
    defaults: both(10),
    help: "time between signs of life",
  },
  {
    name: "closewait",
    type: number(0, MAX_SECONDS, "seconds"),
    defaults: { client: 0, server: 30 },
    help: "how long one direction of a connection may go on when the other has ended; " +
      "0: until it ends itself",
  },
  {
    name: "snmplog",
    type: text("PATH", { file: true }),
    defaults: both(""),
    help: "append counters to this file; its name is a time layout of Go, like snmp-20060102.log",
  },
  {
    name: "snmpperiod",
    type: number(0, MAX_SECONDS, "seconds"),
    defaults: both(60),
    help: "time between two rows of it; 0: none",
  },
  {
    name: "log",
    type: text("FILE", { file: true }),
    defaults: both(""),
    help: "append the log to this file, not to the standard error",
  },
  {
    name: "quiet",
    type: SWITCH,
    defaults: both(false),
    help: "do not log each connection",
  },
  {
    name: "tcp",
    type: SWITCH,
    defaults: both(false),
    help: "not available: packets that look like those of TCP",
    refused: "packets that look like TCP are not available here. Leave it out at both ends: " +
      "the server of kcptun listens on UDP, too",
  },
  {
    name: "c",
    key: null,
    type: text("FILE", { file: true }),
    defaults: both(""),
    help: "read settings from this JSON file; they override the command line",
  },
  {
    name: "pprof",
    type: SWITCH,
    defaults: both(false),
    help: "not available: the profiler of Go",
    refused: "the profiler of Go is not available here. Use --metrics ADDRESS for counters, " +
      "or deno run --inspect for a profile",
  },
  {
    name: "metrics",
    type: text("ADDRESS"),
    defaults: both(""),
    help: "TCP address where Prometheus can read counters, at the path /metrics",
    own: true,
  },
  {
    name: "socks5",
    type: SWITCH,
    defaults: { client: false },
    help: "the server has --target socks5: speak SOCKS5 here, which saves a round trip, " +
      "and carry datagrams (UDP ASSOCIATE)",
    own: true,
  },
  {
    name: "check",
    key: null,
    type: SWITCH,
    defaults: { client: false },
    help: "examine the way to the server, suggest flags, and end",
    own: true,
  },
  {
    name: "allow",
    type: text("LIST"),
    defaults: { server: "" },
    help: "with --target socks5: destinations that may be reached although they are not public, " +
      "such as 10.0.0.0/8 or 127.0.0.1:8080, separated by commas",
    own: true,
  },
  {
    name: "deny",
    type: text("LIST"),
    defaults: { server: "" },
    help: "with --target socks5: destinations that must not be reached",
    own: true,
  },
]);

/** The flags that a program has. */
export function flagsOf(side: Side): readonly Flag[] {
  return FLAGS.filter(({ defaults }) => side in defaults);
}

/** The key of a flag in a file; null if it can't be there. */
export function keyOf({ key, name }: Flag): string | null {
  return key === undefined ? name : key;
}

/** The settings with which a program begins. */
export function defaultsOf(side: Side): Record<string, Value> {
  return Object.fromEntries(
    flagsOf(side).filter(({ name }) => !NO_SETTINGS.includes(name))
      .map(({ name, defaults }) => [name, defaults[side]!]),
  );
}

/** The flags that are no setting: each is an error, has no effect, or is used before the others. */
export const NO_SETTINGS: readonly string[] = Object.freeze([
  "QPP",
  "QPPCount",
  "tcp",
  "c",
  "pprof",
]);
