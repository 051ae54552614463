/**
 * Checks that each function, class and class member that applications use has an example in its
 * documentation. `deno check --doc` checks the types of the examples.
 *
 * The arguments are flags with which the packages are found.
 *
 * @module
 */

/** The entries that applications use. */
const ENTRIES = [
  "mod.ts",
  "transport/deno.ts",
  "transport/linux.ts",
  "transport/mux.ts",
  "transport/node.ts",
  "transport/webrtc.ts",
  "transport/webtransport.ts",
];
const SIMULATED = "transport/simulated.ts";

/**
 * Classes that applications do not use themselves: sockets and congestion controllers get the first
 * ones, and the others are machines without I/O.
 */
const INNER = new Set(["Arena", "PacketBatch", "MuxMachine", "OutputBatch"]);

/** What the library calls on a socket, and the application does not. */
const OF_SOCKETS = new Set([
  "adapter",
  "address",
  "batch",
  "close",
  "maxPacketSize",
  "open",
  "peerAddress",
  "ref",
  "send",
  "sendNow",
  "unref",
  "wholePacketSize",
]);

interface Doc {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string }[];
}

interface Member {
  readonly name: string;
  readonly accessibility?: string;
  readonly jsDoc?: Doc;
}

interface Declaration {
  readonly kind: string;
  readonly jsDoc?: Doc;
  readonly def?: {
    readonly methods?: readonly Member[];
    readonly properties?: readonly Member[];
  };
}

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

function hasExample(doc: Doc | undefined): boolean {
  return doc?.tags?.some(({ kind }) => kind === "example") ?? false;
}

function nameOf({ name }: Member): string {
  return name;
}

/** The symbols that a module exports. */
async function symbolsOf(path: string): Promise<DocSymbol[]> {
  const args = ["doc", "--json", ...Deno.args, path];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(`deno doc ${path} failed`);
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: Record<string, { symbols: DocSymbol[] }>;
  };
  return Object.values(nodes).flatMap(({ symbols }) => symbols);
}

const missing = new Set<string>();
for (const path of [...ENTRIES, SIMULATED]) {
  for (const { name, declarations } of await symbolsOf(path)) {
    for (const { kind, jsDoc, def } of declarations) {
      if (kind === "function" && !hasExample(jsDoc)) missing.add(`${path}: ${name}`);
      if (kind !== "class" || INNER.has(name)) continue;
      if (!hasExample(jsDoc)) missing.add(`${path}: ${name}`);
      const members = [...def?.methods ?? [], ...def?.properties ?? []];
      // The implementation of overloads and a setter have no documentation of their own.
      const shown = new Set(members.filter((member) => hasExample(member.jsDoc)).map(nameOf));
      for (const member of members) {
        const isOwn = !(name.endsWith("Socket") && OF_SOCKETS.has(member.name));
        if (member.accessibility === "private" || !isOwn) continue;
        if (!shown.has(member.name)) missing.add(`${path}: ${name}.${member.name}`);
      }
    }
  }
}

if (missing.size > 0) {
  console.error(`without an example:\n  ${[...missing].join("\n  ")}`);
  Deno.exit(1);
}
