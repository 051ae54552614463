/** What both programs can be set to. The names are those of the flags. */
export interface CommonSettings {
  /** The shared secret. */
  key: string;
  /** Name of the cipher. */
  crypt: string;
  /** Name of the mode; it sets the four numbers of `nodelay`. */
  mode: string;
  /** Most bytes of a packet above UDP. */
  mtu: number;
  /** Most bytes per second that a session sends; 0 for no limit. */
  ratelimit: number;
  /** Send window in packets. */
  sndwnd: number;
  /** Receive window in packets. */
  rcvwnd: number;
  /** Data shards of a group; 0 for no error correction; `"auto"` for what the path needs. */
  datashard: number | "auto";
  /** Parity shards of a group; 0 for no error correction. */
  parityshard: number;
  /** Class of the packets for routers, 0 to 63. */
  dscp: number;
  /** Whether compression is off. */
  nocomp: boolean;
  /** Whether each packet is acknowledged at once. */
  acknodelay: boolean;
  /** See `NodelayOptions` of the library. */
  nodelay: number;
  /** Flush interval in ms. */
  interval: number;
  /** Acknowledgments that a fast retransmission waits for; 0 for none. */
  resend: number;
  /** Whether congestion control is off: any number but 0. */
  nc: number;
  /** Bytes of each buffer of a socket. */
  sockbuf: number;
  /** Version of smux, 1 or 2. */
  smuxver: number;
  /** Bytes that all streams of a session may hold. */
  smuxbuf: number;
  /** Most bytes of a frame. */
  framesize: number;
  /** Bytes that one stream may hold. */
  streambuf: number;
  /** Seconds between signs of life. */
  keepalive: number;
  /** Seconds that the second direction of a connection may take after the first has ended. */
  closewait: number;
  /** Path of the table of counters, a time layout of Go; empty for none. */
  snmplog: string;
  /** Seconds between its rows. */
  snmpperiod: number;
  /** Path of the log; empty for the standard error. */
  log: string;
  /** Whether the beginning and the end of streams are not logged. */
  quiet: boolean;
  /** Address where metrics can be read; empty for none. */
  metrics: string;
}

/** The settings of the client. */
export interface ClientSettings extends CommonSettings {
  /** Where to listen for TCP connections: an address, or the path of a Unix socket. */
  localaddr: string;
  /** Address of the server, with a port or a range of ports. */
  remoteaddr: string;
  /** How many sessions share the connections. */
  conn: number;
  /** Seconds after which a session takes no new streams; 0 for never. */
  autoexpire: number;
  /** Seconds that such a session lives on for its streams. */
  scavengettl: number;
  /** Whether the target of the server is a proxy, so that the client speaks SOCKS5 itself. */
  socks5: boolean;
  /** Whether to examine the way to the server, and end. */
  check: boolean;
}

/** The settings of the server. */
export interface ServerSettings extends CommonSettings {
  /** UDP address to listen on, with a port or a range of ports. */
  listen: string;
  /** Where streams go: an address, the path of a Unix socket, or `socks5`. */
  target: string;
  /** Destinations that `--target socks5` may reach although they are not public. */
  allow: string;
  /** Destinations that `--target socks5` must not reach. */
  deny: string;
}

/** Which of the two programs. */
export type Side = "client" | "server";

/** The settings of one program. */
export type SettingsOf<S extends Side> = S extends "client" ? ClientSettings : ServerSettings;

/** Flags, keys or values that are wrong. The message has a line for each of them. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  override readonly name = "SettingsError";

  /** @param problems What is wrong, one sentence each. */
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}
