/**
 * Draws results.jsonl, which `deno task bench --save` writes, as bars in results.svg: ours beside
 * those of the peer. The same results give the same drawing.
 *
 * @module
 */
const folder = new URL("./", import.meta.url);

/** One line of the results. */
interface Result {
  name: string;
  value: number;
  peer?: string;
  peerValue?: number;
  ratio?: number;
}

const [head, ...lines] = (await Deno.readTextFile(new URL("results.jsonl", folder))).trim()
  .split("\n").map((line) => JSON.parse(line));
const results = (lines as Result[]).filter(({ peerValue }) => peerValue !== undefined);

/** The groups of bars. Each group has its own scale. */
const GROUPS: readonly { title: string; of: (name: string) => boolean }[] = [
  { title: "Over the loopback, nothing set", of: (name) => name.startsWith("defaults/") },
  { title: "Over the loopback, nothing set, Node.js", of: (name) => name.startsWith("node/") },
  { title: "Sink over the loopback", of: (name) => /^(linux|deno)\/sink-/.test(name) },
  { title: "Echo over the loopback", of: (name) => /^(linux|deno)\/echo-/.test(name) },
  { title: "Sealing packets of 1400 bytes", of: (name) => name.startsWith("seal/") },
  { title: "Parity for packets of 1400 bytes; CRC-32", of: (name) => /^(encode|crc)/.test(name) },
];

const WIDTH = 900;
const LEFT = 300;
const RIGHT = 170;
const ROW = 34;
const BAR = 12;
const TITLE = 44;

const parts: string[] = [];
let y = 16;

function text(x: number, at: number, words: string, style = "", anchor = "start"): void {
  const escaped = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  parts.push(`<text x="${x}" y="${at}" text-anchor="${anchor}" ${style}>${escaped}</text>`);
}

function megabytes(value: number): string {
  return `${Math.round(value / 1e6).toLocaleString("en-US")} MB/s`;
}

for (const { title, of } of GROUPS) {
  const rows = results.filter(({ name }) => of(name));
  if (rows.length === 0) continue;
  text(16, y + 26, title, `font-weight="bold" font-size="16"`);
  y += TITLE;
  const largest = Math.max(...rows.map(({ value, peerValue }) => Math.max(value, peerValue!)));
  const scale = (WIDTH - LEFT - RIGHT) / largest;
  for (const { name, value, peer, peerValue, ratio } of rows) {
    text(LEFT - 10, y + 17, name, "", "end");
    const bars = [[value, "#2563eb", ""], [peerValue!, "#9ca3af", ` ${peer}`]] as const;
    bars.forEach(([amount, color, who], i) => {
      const top = y + i * (BAR + 1);
      const width = Math.max(1, amount * scale).toFixed(1);
      parts.push(
        `<rect x="${LEFT}" y="${top}" width="${width}" height="${BAR}" fill="${color}"/>`,
      );
      const words = i === 0 ? `${megabytes(amount)} (${ratio!.toFixed(2)} ×)` : megabytes(amount);
      text(LEFT + Number(width) + 6, top + 10, words + who, `font-size="11"`);
    });
    y += ROW;
  }
  y += 10;
}

const { machine, deno, go, kcpGo, runs, date } = head;
text(
  16,
  y + 18,
  `Blue: this module (Deno ${deno}); grey: kcp-go ${kcpGo} (${go}), or what is named. ` +
    `Medians of ${runs} runs that took turns, ${date}.`,
  `font-size="11"`,
);
text(
  16,
  y + 34,
  `${machine.cpu}, ${machine.cores} cores, ${
    Math.round(machine.memory / 2 ** 30)
  } GiB, ${machine.system}.`,
  `font-size="11"`,
);
y += 48;

const svg = [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" ` +
  `width="${WIDTH}" height="${y}" ` +
  `font-family="system-ui, sans-serif" font-size="13" fill="#111827">`,
  `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
  ...parts,
  "</svg>",
  "",
].join("\n");
await Deno.writeTextFile(new URL("results.svg", folder), svg);
console.log(`tests/bench/results.svg: ${results.length} results`);
