/**
 * The tables and links of the README agree with the code.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import {
  CIPHER_NAMES,
  type CipherName,
  createCipher,
  createCipherFromPassword,
} from "../../crypt/mod.ts";
import { Kcp } from "../../kcp/mod.ts";
import * as entry from "../../mod.ts";
import type {
  CongestionAlgorithm,
  ConnectionErrorKind,
  ConnectOptions,
  KcpLiveOptions,
  ListenOptions,
  Mode,
  SessionOptions,
} from "../../mod.ts";
import { type LinkOptions, SimulatedNetwork } from "../../transport/simulated.ts";
import { resolveLinkOptions } from "../../transport/link/link_options.ts";
import { resolveLinuxOptions } from "../../transport/linux/linux_options.ts";
import { resolveMuxOptions } from "../../transport/mux/machine/options.ts";
import { splitMuxOptions } from "../../transport/mux/mux_options.ts";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));

/** The rows of the tables under a heading of any level, each a list of cells without backticks. */
function rows(heading: string, text = readme): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.endsWith(`# ${heading}`)) + 1;
  assert(start > 0, `the README has no heading "${heading}"`);
  const found: string[][] = [];
  for (const line of lines.slice(start)) {
    if (/^#+ /.test(line)) break;
    if (!line.startsWith("| ") || /^\| -/.test(line)) continue;
    found.push(line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
  }
  assert(found.length > 0, `the README has no table under "${heading}"`);
  return found;
}

/** The first cells of the rows that follow a header row with that text, in one table. */
function column(table: string[][], headers: readonly string[]): string[] {
  return table.map(([first]) => first).filter((name) => !headers.includes(name));
}

/** The type makes the list complete: a member that is missing here does not compile. */
function namesOf<T>(all: Record<keyof T, true>): string[] {
  return Object.keys(all);
}

Deno.test("readme: the root exports what the README says, by name", async () => {
  assertEquals(
    Object.keys(entry).sort(),
    [
      "Arena",
      "Connection",
      "ConnectionError",
      "Listener",
      "PacketBatch",
      "RateLimit",
      "connect",
      "fast",
      "listen",
      "normal",
      "processTotals",
      "reference",
      "snmp",
      "turbo",
    ],
  );
  const text = await Deno.readTextFile(new URL("mod.ts", root));
  assertEquals(/^export \*/m.test(text), false, "mod.ts must name what it exports");
});

Deno.test("readme: the table of entries lists the exports of deno.json", () => {
  const listed = column(rows("Runtimes, permissions and flags"), ["entry"])
    .filter((name) => /^[./]/.test(name))
    .map((name) => name === "." ? name : `.${name}`);
  assertEquals(listed.sort(), Object.keys(config.exports).sort());
});

Deno.test("readme: the table of commands lists the tasks of deno.json", () => {
  const listed = column(rows("Development"), ["command"]);
  assertEquals(listed.sort(), Object.keys(config.tasks).map((name) => `deno task ${name}`).sort());
});

Deno.test("readme: the table of examples lists the folder", async () => {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL("examples/", root))) {
    if (isDirectory || name.endsWith(".ts")) found.push(name);
  }
  // A folder is listed by one of its files.
  const listed = column(rows("Examples"), ["file"]).map((cell) =>
    /\(examples\/([^/)]*).*\)/.exec(cell)?.[1]
  );
  assertEquals(listed.sort(), found.sort());
});

Deno.test("readme: the tables of settings name every setting", () => {
  const live = Object.keys(new Kcp(1).options);
  const session = namesOf<Omit<SessionOptions, keyof KcpLiveOptions>>({
    crypt: true,
    fec: true,
    idleTimeout: true,
    keepAlive: true,
    linger: true,
    timeWait: true,
    memoryLimit: true,
    replayWindow: true,
    congestion: true,
    entropy: true,
    initialSndSn: true,
    initialRcvSn: true,
    initialTs: true,
    extensions: true,
  });
  const listen = namesOf<Omit<ListenOptions, keyof SessionOptions>>({
    hostname: true,
    port: true,
    bind: true,
    rateLimit: true,
    backlog: true,
    maxSessions: true,
    maxSessionsPerAddress: true,
    maxUnconfirmed: true,
    maxUnconfirmedPerHost: true,
    migrate: true,
    signal: true,
  });
  const connect = namesOf<Omit<ConnectOptions, keyof SessionOptions>>({
    hostname: true,
    port: true,
    localHostname: true,
    localPort: true,
    bind: true,
    via: true,
    rateLimit: true,
    conv: true,
    timeout: true,
    signal: true,
  });
  const listed = column(rows("Settings"), ["setting"]);
  assertEquals(listed.sort(), [...live, ...session, ...listen, ...connect].sort());
});

Deno.test("readme: the settings of the protocol have the defaults that the README says", () => {
  const { options } = new Kcp(1);
  const listed = new Map(rows("Settings").map(([name, value]) => [name, value]));
  const doubling = new Kcp(1, { nodelay: 0 }).options;
  const narrow = new Kcp(1, { sndWnd: 1 }).options;
  const special: Record<string, string> = {
    maxMtu: "mtu",
    sndQueue: `sndWnd, at least ${narrow.sndQueue}`,
    minRto: `${options.minRto}, or ${doubling.minRto} with nodelay 0`,
    burst: JSON.stringify(options.burst),
  };
  assertEquals(options.maxMtu, options.mtu);
  for (const [name, value] of Object.entries(options)) {
    assertEquals(listed.get(name), special[name] ?? String(value), name);
  }
  // The machine tells its controller in the statistics only.
  assertEquals(listed.get("congestion"), JSON.stringify(new Kcp(1).stats.congestion.algorithm));
});

Deno.test("readme: the table of modes has their settings", () => {
  const { normal, fast, turbo, reference } = entry;
  const modes: Record<string, Mode> = {
    normal,
    fast,
    turbo,
    reference,
    "no mode": new Kcp(1).options,
  };
  const listed = rows("Modes").slice(1);
  assertEquals(listed.map(([name]) => name).sort(), Object.keys(modes).sort());
  for (const [name, , ...settings] of listed) {
    const { nodelay, interval, resend, nc, fastlimit, copies } = modes[name];
    assertEquals(settings, [nodelay, `${interval} ms`, resend, nc, fastlimit, copies].map(String));
  }
  const { congestion, sndWnd, rcvWnd } = reference;
  const text = `congestion: "${congestion}"\`, \`sndWnd: ${sndWnd}\` and \`rcvWnd: ${rcvWnd}\``;
  assert(readme.includes(text), `the README does not say what else reference sets: ${text}`);
});

Deno.test("readme: the table of controllers has their names, and that of statistics their members", () => {
  const listed = rows("Congestion control: what to choose");
  const names: Record<CongestionAlgorithm, true> = { bbr: true, cubic: true, reference: true };
  const [choices, figures, statistics] = ["congestion", "sender", "member"].map((header) =>
    listed.findIndex(([cell]) => cell === header)
  );
  assert(0 <= choices && choices < figures && figures < statistics, "a table is missing");
  const controllers = listed.slice(choices, figures).flatMap(([cell]) =>
    /^"(\w+)"/.exec(cell)?.[1] ?? []
  );
  assertEquals(controllers.sort(), Object.keys(names).sort());
  const members = listed.slice(statistics + 1).flatMap(([cell]) => cell.split(/, | and /));
  assertEquals(members.sort(), Object.keys(new Kcp(1).stats.congestion).sort());
});

Deno.test("readme: the table of errors has every kind", () => {
  const kinds = namesOf<Record<ConnectionErrorKind, true>>({
    unreachable: true,
    idle: true,
    unconfirmed: true,
    reset: true,
    closed: true,
    socket: true,
    timeout: true,
  });
  const listed = rows("What ends a connection").flatMap(([cell]) =>
    /^"(.*)"$/.exec(cell)?.[1] ?? []
  );
  assertEquals(listed.sort(), kinds.sort());
});

Deno.test("readme: the table of errors has the code of every kind", () => {
  for (const [name, code] of rows("What ends a connection")) {
    const [, kind] = /^"(.*)"$/.exec(name) ?? [];
    if (kind === undefined) continue;
    const error = new entry.ConnectionError(kind as ConnectionErrorKind, "");
    assertEquals(code, error.code, kind);
  }
});

Deno.test("readme: the table of ciphers has every cipher, and what it adds to a packet", () => {
  const listed = rows("Encryption").slice(1).map(([name, , , , bytes]) => `${name}: ${bytes}`);
  const actual = CIPHER_NAMES.map((name) => {
    const { headroom, tailroom } = createCipherFromPassword(name, "password");
    return `${name}: ${headroom + tailroom}`;
  });
  assertEquals(listed.sort(), actual.sort());
});

Deno.test("readme: the table of link options has every option and its default", () => {
  const defaults = resolveLinkOptions({});
  const text = (name: keyof LinkOptions) => {
    if (name === "reorder") return String(defaults.reorder.probability);
    const value = defaults[name];
    return typeof value === "number" ? String(value) : "none";
  };
  const names = Object.keys(defaults) as (keyof LinkOptions)[];
  const listed = rows("Test your application on a network that fails").slice(1);
  assertEquals(
    listed.map(([name, value]) => `${name}: ${value}`).sort(),
    names.map((name) => `${name}: ${text(name)}`).sort(),
  );
});

Deno.test("readme: the table of settings of streams has every setting and its default", () => {
  const { machine, linger } = splitMuxOptions({})[1];
  const { client: _client, firstId: _firstId, ...defaults } = resolveMuxOptions({
    ...machine,
    client: true,
  });
  const listed = rows("Streams").slice(1).map(([name, value]) => `${name}: ${value}`);
  const own = [`linger: ${linger}`, "sessions: 1", "ownSockets: false"];
  const all = Object.entries(defaults).map(([name, value]) => `${name}: ${value}`).concat(own);
  assertEquals(listed.sort(), all.sort());
});

Deno.test("readme: the table of options of linux has every option and its default", () => {
  const defaults = resolveLinuxOptions({});
  const listed = rows("Faster on Linux").filter(([name]) => name in defaults);
  assertEquals(
    listed.map(([name, value]) => `${name}: ${value.split(" ")[0]}`).sort(),
    Object.entries(defaults).map(([name, value]) => `${name}: ${value}`).sort(),
  );
});

/** Whether an object has a member that a path such as `stats.fec.recovered` names. */
function has(object: object, path: string): boolean {
  let value: unknown = object;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !(name in value)) return false;
    value = (value as Record<string, unknown>)[name];
  }
  return true;
}

Deno.test("readme: the members of connections and listeners that the tables name exist", async () => {
  const network = new SimulatedNetwork();
  using listener = network.listen({ hostname: "127.0.0.1", port: 4000 });
  using conn = network.connect({ hostname: "127.0.0.1", port: 4000, fec: "auto" });
  const objects: Record<string, object> = { conn, listener };
  let seen = 0;
  for (const [, name, path] of readme.matchAll(/`(conn|listener)\.(\w+(?:\.\w+)*)[^`]*`/g)) {
    seen++;
    assert(has(objects[name], path), `the README names ${name}.${path}, which does not exist`);
  }
  assert(seen >= 50, `only ${seen} names were found`);
  conn.abort();
  listener.close();
  await network.run(() => listener.closed);
});

Deno.test("readme: the sums that the table of kcp-go's counters names exist", () => {
  const totals = entry.processTotals();
  const [, text] = readme.split("the 30 counters of kcp-go's `Snmp`");
  const [table] = text.split("\n## ");
  let seen = 0;
  for (const [, path] of table.matchAll(/`((?:connections|present|sockets)\.[\w.]+)`/g)) {
    seen++;
    assert(has(totals, path), `the README names ${path}, which does not exist`);
  }
  assert(seen >= 25, `only ${seen} names were found`);
});

Deno.test("readme: the ciphers take keys of the lengths that the README says", () => {
  for (const [name, lengths] of rows("Encryption").slice(1)) {
    const allowed = lengths === "none" ? [0] : lengths.match(/\d+/g)!.map(Number);
    for (const length of allowed) createCipher(name as CipherName, new Uint8Array(length).fill(7));
    if (name === "none" || name === "xor") continue;
    const wrong = Math.max(...allowed) + 1;
    assertThrows(() => createCipher(name as CipherName, new Uint8Array(wrong)), RangeError);
  }
});

Deno.test("readme: the error of a wrong key has the message that the README quotes", async () => {
  const network = new SimulatedNetwork();
  const crypt = createCipherFromPassword("chacha20-poly1305", "a key that nobody else has");
  const message = await network.run(async () => {
    const conn = network.connect({ hostname: "127.0.0.1", port: 4000, crypt });
    await conn.write(new Uint8Array(1));
    return await conn.closed.then(() => "", (error: Error) => error.message);
  });
  const quote = readme.match(/(?:^> .*\n)+/m)?.[0].replaceAll(/^> /gm, "").trim();
  assertEquals(quote?.replaceAll("\n", " "), message);
});

/** The anchor that GitHub makes of a heading. */
function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

Deno.test("readme: every relative link leads somewhere", async () => {
  let seen = 0;
  const folders = ["", "tests/bench/", "tests/frontier/", "tests/paths/"];
  for (const file of folders.map((folder) => `${folder}README.md`)) {
    const text = await Deno.readTextFile(new URL(file, root));
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      seen++;
      const [path, fragment] = target.split("#");
      const url = path === "" ? new URL(file, root) : new URL(path, new URL(file, root));
      await Deno.stat(url);
      if (fragment === undefined) continue;
      const content = await Deno.readTextFile(url);
      const anchors = [...content.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));
      assert(anchors.includes(fragment), `${file} links to ${target}: there is no such heading`);
    }
  }
  assert(seen >= 10, `only ${seen} links were found`);
});

Deno.test("readme: JSR gets its images", () => {
  const images = [...readme.matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, path]) => path);
  assert(images.length > 0, "no image was found");
  const published: string[] = config.publish.include;
  for (const path of images) assert(published.includes(path), `${path} is not published`);
});
