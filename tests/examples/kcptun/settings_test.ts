import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseCommandLine } from "../../../examples/kcptun/settings/command_line.ts";
import { completionScript, SHELLS } from "../../../examples/kcptun/settings/completion.ts";
import { defaultsOf, flagsOf, NO_SETTINGS } from "../../../examples/kcptun/settings/flags.ts";
import { helpText } from "../../../examples/kcptun/settings/help.ts";
import { nearest } from "../../../examples/kcptun/settings/nearest.ts";
import { type Resolved, resolveSettings } from "../../../examples/kcptun/settings/resolve.ts";
import {
  type ClientSettings,
  type ServerSettings,
  SettingsError,
  type Side,
} from "../../../examples/kcptun/settings/settings.ts";

/** Settings from a command line, an environment and the files `FILE`. */
function resolve<S extends Side = "client">(
  args: string[],
  { side = "client" as S, file, key }: { side?: S; file?: unknown; key?: string } = {},
): Resolved<S> {
  return resolveSettings(side, parseCommandLine(side, args), {
    env: (name) => name === "KCPTUN_KEY" ? key : undefined,
    readFile: (path) => {
      if (path !== "FILE") throw new Error("No such file");
      return typeof file === "string" ? file : JSON.stringify(file);
    },
  });
}

/** What is wrong with a command line. */
function problemsOf(args: string[], more: Parameters<typeof resolve>[1] = {}): readonly string[] {
  return assertThrows(() => resolve(args, more), SettingsError).problems;
}

// The defaults of the last release, and where they differ between the programs.
const BOTH = {
  key: "it's a secrect",
  crypt: "aes",
  mode: "fast",
  mtu: 1350,
  ratelimit: 0,
  datashard: 10,
  parityshard: 3,
  dscp: 0,
  nocomp: false,
  acknodelay: false,
  nodelay: 0,
  interval: 50,
  resend: 0,
  nc: 0,
  sockbuf: 4_194_304,
  smuxver: 2,
  smuxbuf: 4_194_304,
  framesize: 8192,
  streambuf: 2_097_152,
  keepalive: 10,
  snmplog: "",
  snmpperiod: 60,
  log: "",
  quiet: false,
  metrics: "",
};
const CLIENT: ClientSettings = {
  ...BOTH,
  localaddr: ":12948",
  remoteaddr: "vps:29900",
  conn: 1,
  autoexpire: 0,
  scavengettl: 600,
  sndwnd: 128,
  rcvwnd: 512,
  closewait: 0,
  socks5: false,
  check: false,
};
const SERVER: ServerSettings = {
  ...BOTH,
  listen: ":29900",
  target: "127.0.0.1:12948",
  sndwnd: 1024,
  rcvwnd: 1024,
  closewait: 30,
  allow: "",
  deny: "",
};

Deno.test("settings: the defaults are those of kcptun", () => {
  assertEquals<unknown>(defaultsOf("client"), CLIENT);
  assertEquals<unknown>(defaultsOf("server"), SERVER);
});

Deno.test("settings: every flag of kcptun is there, with its short name", () => {
  const names = (side: Side) =>
    flagsOf(side).filter(({ own }) => !own).map(({ name, short }) =>
      short ? `${name},${short}` : name
    ).sort();
  const common = [
    ..."QPP QPPCount acknodelay c closewait crypt datashard,ds dscp framesize".split(" "),
    ..."interval keepalive key log mode mtu nc nocomp nodelay parityshard,ps pprof".split(" "),
    ..."quiet ratelimit rcvwnd resend smuxbuf smuxver sndwnd snmplog snmpperiod".split(" "),
    ..."sockbuf streambuf tcp".split(" "),
  ];
  const client = ["autoexpire", "conn", "localaddr,l", "remoteaddr,r", "scavengettl"];
  assertEquals(names("client"), [...common, ...client].sort());
  assertEquals(names("server"), [...common, "listen,l", "target,t"].sort());
  assertEquals(flagsOf("client").filter(({ own }) => !own).length, 37);
  assertEquals(flagsOf("server").filter(({ own }) => !own).length, 34);
});

Deno.test("settings: a command line of every notation of Go", () => {
  const { settings } = resolve([
    "-l",
    "127.0.0.1:1",
    "--r=example.com:1-2",
    "-key=a=b",
    "-ds",
    "0x14",
    "--ps=0b11",
    "--sndwnd",
    "1_024",
    "--rcvwnd=010",
    "--nocomp",
    "-quiet=false",
    "--acknodelay=T",
    "--mtu=+1400",
    "--crypt",
    "--strange-value",
  ]);
  assertEquals(settings.localaddr, "127.0.0.1:1");
  assertEquals(settings.remoteaddr, "example.com:1-2");
  assertEquals(settings.key, "a=b");
  assertEquals(settings.datashard, 20);
  assertEquals(settings.parityshard, 3);
  assertEquals(settings.sndwnd, 1024);
  assertEquals(settings.rcvwnd, 8);
  assertEquals(settings.nocomp, true);
  assertEquals(settings.quiet, false);
  assertEquals(settings.acknodelay, true);
  assertEquals(settings.mtu, 1400);
  // A value may begin with a hyphen; that this one is no cipher is another thing.
  assertEquals(settings.crypt, "aes");
});

for (
  const written of ["1.5", "1e3", "0x", "08", "1__0", "_1", "ten", "", "1 ", "NaN", "Infinity"]
) {
  Deno.test(`settings: ${JSON.stringify(written)} is no number`, () => {
    assertEquals(problemsOf(["--conn", written]), [
      `Cannot set --conn to ${JSON.stringify(written)}: allowed are whole numbers from 1 to 65535`,
    ]);
  });
}

Deno.test("settings: the file overrides the command line, and this overrides the environment", () => {
  const args = ["--key", "line", "--mtu", "1200", "--sndwnd", "7", "-c", "FILE"];
  const file = { key: "file", sndwnd: 9, rcvwnd: null, smuxver: 1 };
  const { settings, warnings } = resolve(args, { file, key: "environment" });
  const { key, mtu, sndwnd, rcvwnd, smuxver } = settings;
  assertEquals([key, mtu, sndwnd, rcvwnd, smuxver], ["file", 1200, 9, 512, 1]);
  assertEquals(warnings, []);
  assertEquals(resolve(["--key", "line"], { key: "environment" }).settings.key, "line");
  assertEquals(resolve([], { key: "environment" }).settings.key, "environment");
  // An empty variable is a key, as in kcptun.
  assertEquals(resolve([], { key: "" }).settings.key, "");
});

Deno.test("settings: the keys of a file may be written in letters of any case", () => {
  const { settings, warnings } = resolve(["-c", "FILE"], {
    file: { Key: "x", SndWnd: 5, "QPP-Count": 7, noComp: true },
  });
  assertEquals([settings.sndwnd, settings.nocomp, warnings], [5, true, []]);
});

Deno.test("settings: the examples that kcptun ships are understood", () => {
  const file = {
    localaddr: ":3000",
    remoteaddr: "127.0.0.1:29900-29999",
    key: "PASSWORD",
    crypt: "aes-128",
    qpp: false,
    "qpp-count": 61,
    mode: "fast3",
    mtu: 1400,
    ratelimit: 1_048_576,
    nocomp: true,
    nodelay: 1,
    interval: 40,
    resend: 2,
    nc: 1,
    sockbuf: 16_777_217,
    smuxbuf: 16_777_217,
    autoexpire: 600,
    quiet: false,
    tcp: false,
    pprof: false,
  };
  const { settings, warnings } = resolve(["-c", "FILE"], { file });
  assertEquals(warnings, []);
  // The mode sets these, whatever the file has.
  const { nodelay, interval, resend, nc, crypt, mtu } = settings;
  assertEquals([nodelay, interval, resend, nc, crypt, mtu], [1, 10, 2, 1, "aes-128", 1400]);
  for (const { name } of flagsOf("client")) {
    assertEquals(name in settings, !NO_SETTINGS.includes(name), name);
  }
});

for (
  const [mode, numbers] of [
    ["normal", [0, 40, 2, 1]],
    ["fast", [0, 30, 2, 1]],
    ["fast2", [1, 20, 2, 1]],
    ["fast3", [1, 10, 2, 1]],
    ["manual", [2, 15, 4, 0]],
  ] as const
) {
  Deno.test(`settings: --mode ${mode}`, () => {
    const manual = ["--nodelay", "2", "--interval", "15", "--resend", "4", "--nc", "0"];
    const { settings } = resolve(["--mode", mode, ...manual]);
    const { nodelay, interval, resend, nc } = settings;
    assertEquals<readonly number[]>([nodelay, interval, resend, nc], numbers);
  });
}

Deno.test("settings: an unknown key in a file is a warning with the nearest name", () => {
  const file = { key: "k", sndwmd: 1, datashards: 1, target: "x", comment: "x", c: "FILE" };
  const { warnings } = resolve(["-c", "FILE"], { file });
  assertEquals(warnings, [
    '"sndwmd" in FILE is unknown and has no effect: did you mean "sndwnd"?',
    '"datashards" in FILE is unknown and has no effect: did you mean "datashard"?',
    '"target" in FILE is unknown and has no effect: only the server has it',
    '"comment" in FILE is unknown and has no effect',
    '"c" in FILE is unknown and has no effect: did you mean "nc"?',
  ]);
});

Deno.test("settings: an unknown flag is an error with the nearest name", () => {
  assertEquals(problemsOf(["--sndwdn", "5"]), [
    "There is no flag --sndwdn: did you mean --sndwnd?",
  ]);
  assertEquals(problemsOf(["--target", "x"]), [
    "There is no flag --target, only the server has it",
  ]);
  assertEquals(problemsOf(["--strange"]), ["There is no flag --strange: --help shows the flags"]);
  assertEquals(problemsOf(["--remote-addr=x"]), [
    "There is no flag --remote-addr: did you mean --remoteaddr?",
  ]);
});

Deno.test("settings: everything that is wrong is named at once: where it stands, and what is allowed", () => {
  const file = { mtu: 10, conn: "4", nocomp: 1, smuxver: 3, sndwnd: 1.5, key: 7 };
  assertEquals(problemsOf(["-c", "FILE", "--dscp", "64", "--interval=0"], { file }), [
    'Cannot set "conn" to "4" in FILE: allowed are whole numbers from 1 to 65535',
    'Cannot set "nocomp" to 1 in FILE: allowed are true and false',
    'Cannot set "key" to a value of another type in FILE: allowed are texts',
    'Cannot set "mtu": 10 in FILE: allowed are whole numbers from 50 to 65507 (bytes)',
    'Cannot set "sndwnd": 1.5 in FILE: allowed are whole numbers from 1 to 65535 (packets)',
    "Cannot set --dscp 64: allowed are whole numbers from 0 to 63",
    "Cannot set --interval 0: allowed are whole numbers from 1 to 5000 (ms)",
    'Cannot set "smuxver": 3 in FILE: allowed are whole numbers from 1 to 2',
  ]);
  assertEquals(problemsOf(["--conn"]), ["Cannot set --conn: its value is missing"]);
});

Deno.test("settings: what depends on two settings", () => {
  assertEquals(problemsOf(["--ds", "200", "--ps", "100"]), [
    "Cannot set --datashard 200 and --parityshard 100: together they may be at most 256",
  ]);
  resolve(["--ds", "0", "--ps", "255"]);
  resolve(["--ds", "auto", "--ps", "255"]);
  assertEquals(problemsOf(["--smuxbuf", "1000"]), [
    "Cannot set --streambuf to 2097152: allowed is at most --smuxbuf, which is 1000",
  ]);
  resolve(["--smuxbuf", "1000", "--smuxver", "1"]);
});

Deno.test("settings: what kcptun takes in its own way works, with a warning", () => {
  const warned = (...args: string[]) => resolve(["--key", "k", ...args]);
  const crypt = warned("--crypt", "aes-256");
  assertEquals(crypt.settings.crypt, "aes");
  assert(crypt.warnings[0].startsWith("--crypt aes-256 is unknown, and means aes: known are aes,"));
  const mode = warned("--mode", "fast4");
  assertEquals([mode.settings.mode, mode.settings.interval], ["manual", 50]);
  assertEquals(mode.warnings.length, 1);
  const limit = warned("--ratelimit", "-5");
  assertEquals([limit.settings.ratelimit, limit.warnings], [0, [
    "--ratelimit -5 is negative, and means 0",
  ]]);
  const window = warned("--rcvwnd", "100000");
  assertEquals([window.settings.rcvwnd, window.warnings.length], [65_535, 1]);
  assertEquals(warned("--mtu", "1500").warnings.length, 1);
  assertEquals(warned("--autoexpire", "60").warnings.length, 1);
  assertEquals(warned("--autoexpire", "60", "--scavengettl", "30").warnings, []);
});

Deno.test("settings: flags behind the first argument that is none have no effect, as in Go", () => {
  for (const args of [["true", "--mtu", "900"], ["--", "--mtu", "900"]]) {
    const { settings, warnings } = resolve(["--key", "k", "--nocomp", ...args]);
    assertEquals([settings.mtu, warnings.length], [1350, 1]);
  }
  const [warning] = resolve(["--key", "my", "long", "secret"]).warnings;
  assertEquals(
    warning,
    "The flags end before argument 3, which is no flag: it and the 1 after it have no effect",
  );
});

Deno.test("settings: what is not available is an error that says what to use instead", () => {
  for (const [flag, instead] of [["tcp", "UDP"], ["pprof", "--metrics"], ["QPP", "--crypt"]]) {
    const [problem] = problemsOf([`--${flag}`]);
    assert(problem.startsWith(`Cannot use --${flag} true: `) && problem.includes(instead), problem);
    const file = { [flag.toLowerCase()]: true };
    assert(problemsOf(["-c", "FILE"], { file })[0].includes(instead));
    resolve([`--${flag}=false`, "-c", "FILE"], { file: { [flag.toLowerCase()]: false } });
  }
});

Deno.test("settings: no message has the key in it", () => {
  const secret = "dont-show-me";
  const texts = [
    ...problemsOf(["--key", secret, "--mtu", "1"]),
    ...problemsOf(["-c", "FILE"], { file: `{ "key": ${secret} }` }),
    ...problemsOf(["-c", "FILE"], { file: `{ "key": "${secret}" "mtu": 3 }` }),
    ...problemsOf(["-c", "FILE"], { file: { key: [secret] } }),
    ...resolve(["--key", "one", secret]).warnings,
    ...problemsOf(["--key", "one", "--mtu", "1"], { key: secret }),
  ];
  assertEquals(texts.length, 6);
  for (const text of texts) assert(!text.includes(secret), text);
});

Deno.test("settings: files that can't be used", () => {
  assertEquals(problemsOf(["-c", "GONE"]), ["Cannot read GONE: No such file"]);
  assertEquals(problemsOf(["-c", "FILE"], { file: [] }), [
    'Cannot read FILE: it must be a JSON object such as { "key": "secret" }',
  ]);
  assertEquals(problemsOf(["-c", "FILE"], { file: '{\n "mtu": 1,,\n}' }), [
    "Cannot read FILE: it is no JSON (line 2 column 11)",
  ]);
  assertEquals(resolve(["-c", "FILE"], { file: '\ufeff{"mtu":900}' }).settings.mtu, 900);
});

Deno.test("settings: help, version and completion are asked for", () => {
  assertEquals(parseCommandLine("client", ["-h"]).print, "help");
  assertEquals(parseCommandLine("server", ["--mtu", "5", "--help"]).print, "help");
  assertEquals(parseCommandLine("client", ["-v"]).print, "version");
  assertEquals(parseCommandLine("client", ["--completion", "zsh"]).print, { completion: "zsh" });
  assertEquals(parseCommandLine("client", ["--key", "-h"]).print, null);
});

for (const side of ["client", "server"] as const) {
  Deno.test(`settings: the help of the ${side} has every flag, its default, and no long line`, () => {
    const text = helpText(side);
    const flat = text.replaceAll(/\s+/g, " ");
    for (const { name, short, defaults, type } of flagsOf(side)) {
      assert(flat.includes(name.length === 1 ? `-${name} ` : `--${name} `), name);
      if (short) assert(flat.includes(`-${short}, --${name} `), name);
      if (type.kind === "number") assert(flat.includes(`default: ${defaults[side]}`), name);
    }
    for (const line of text.split("\n")) assert(line.length <= 100, line);
  });

  for (const shell of SHELLS) {
    Deno.test(`settings: the completion of the ${side} for ${shell} has every flag`, () => {
      const script = completionScript(side, shell)!;
      for (const { name, refused } of flagsOf(side)) {
        if (refused || name.length === 1) continue;
        const shown = shell === "fish" ? `-l ${name} ` : `--${name}`;
        assert(script.includes(shown), name);
      }
      assert(script.includes("fast3"));
    });
  }
}

Deno.test("settings: there is no completion for other shells", () => {
  assertEquals(completionScript("client", "tcsh"), null);
});

Deno.test("nearest: one change in three letters, and swapped letters", () => {
  const names = ["sndwnd", "rcvwnd", "key", "remoteaddr"];
  assertEquals(nearest("sndwdn", names), "sndwnd");
  assertEquals(nearest("Remote_Addr", names), "remoteaddr");
  assertEquals(nearest("kex", names), "key");
  assertEquals(nearest("abc", names), null);
  assertEquals(nearest("x".repeat(100_000), names), null);
});
