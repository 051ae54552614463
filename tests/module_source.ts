/**
 * Reads the source text of modules: which modules they import, and whether they hold code.
 *
 * @module
 */

/** One token of TypeScript. Comments are no tokens. */
interface Token {
  readonly kind: "word" | "string" | "template" | "regex" | "mark";
  /** The characters of the token. For a string, its value without the quotes. */
  readonly text: string;
}

/** A specifier that stands for an import whose target can't be read from the source. */
export const COMPUTED = "(computed)";

/** One import of a module, in any form. */
export interface Import {
  /**
   * What is imported, such as `./kcp.ts` or `node:net`; {@linkcode COMPUTED} if that is no plain
   * string.
   */
  readonly specifier: string;
  /** `static` is loaded with the module, `dynamic` later, and `type` never. */
  readonly kind: "static" | "dynamic" | "type";
}

/** Words after which a slash starts a regular expression. */
const BEFORE_REGEX = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "do",
  "else",
  "await",
  "yield",
]);

/** One lexical element. Groups: comment, string, word, regular expression. */
const ELEMENT = new RegExp(
  [
    /(\/\/.*|\/\*[^]*?\*\/)/,
    /("(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')/,
    /([\w$]+)/,
    /(\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/)/,
  ].map(({ source }) => source).join("|"),
  "y",
);

/** Splits a source text. Returns its tokens and its comments. */
function scan(source: string): { tokens: Token[]; comments: string[] } {
  const tokens: Token[] = [];
  const comments: string[] = [];
  /** Number of open braces in each template expression that the scanner is in. */
  const templates: number[] = [];
  let at = 0;
  const push = (kind: Token["kind"], text: string, length = text.length) => {
    tokens.push({ kind, text });
    at += length;
  };
  /** Reads the characters of a template up to its end or to its next expression. */
  const template = () => {
    let end = at + 1;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    const expression = source[end] === "$";
    push("template", source.slice(at + 1, end), end + (expression ? 2 : 1) - at);
    if (expression) templates.push(0);
  };
  while (at < source.length) {
    if (/\s/.test(source[at])) {
      at++;
      continue;
    }
    ELEMENT.lastIndex = at;
    const [, comment, string, word, regex] = ELEMENT.exec(source) ?? [];
    const before = tokens.at(-1);
    if (comment !== undefined) {
      comments.push(comment);
      at += comment.length;
    } else if (string !== undefined) {
      push("string", string.includes("\\") ? COMPUTED : string.slice(1, -1), string.length);
    } else if (word !== undefined) {
      push("word", word);
    } else if (
      regex !== undefined &&
      (!before || (before.kind === "mark" && !/[)\]}]/.test(before.text)) ||
        (before.kind === "word" && BEFORE_REGEX.has(before.text)))
    ) {
      push("regex", regex);
    } else if (source[at] === "`") {
      template();
    } else if (source[at] === "}" && templates.at(-1) === 0) {
      templates.pop();
      template();
    } else {
      const open = templates.length - 1;
      if (open >= 0 && source[at] === "{") templates[open]++;
      if (open >= 0 && source[at] === "}") templates[open]--;
      push("mark", source[at]);
    }
  }
  return { tokens, comments };
}

/** A module without its comments. Tokens are separated by a space, except beside a dot. */
export function codeOf(source: string): string {
  return scan(source).tokens
    .map(({ kind, text }) => kind === "string" ? JSON.stringify(text) : text)
    .join(" ")
    .replace(/ ?\. ?/g, ".");
}

/**
 * Every import of a module: `import` and `export … from` with and without `type`, `import(…)` as a
 * call and as a type, `require`, a module declaration, a URL beside the module, and directives in
 * comments.
 */
export function importsOf(source: string): Import[] {
  const { tokens, comments } = scan(source);
  const found: Import[] = [];
  const text = (i: number) => {
    const token = tokens[i];
    return token && (token.kind === "word" || token.kind === "mark") ? token.text : undefined;
  };
  const value = (i: number) => tokens[i]?.kind === "string" ? tokens[i].text : COMPUTED;
  /**
   * Index of the word `from` before a string, in the declaration that starts at `i`; -1 if none.
   */
  const fromAfter = (i: number) => {
    for (let depth = 0; i < tokens.length; i++) {
      if (text(i) === "{") depth++;
      if (text(i) === "}") depth--;
      if (depth === 0 && text(i) === "from" && tokens[i + 1]?.kind === "string") return i;
      if (text(i) === ";" || text(i) === "=" || text(i) === "(") return -1;
    }
    return -1;
  };
  for (let i = 0; i < tokens.length; i++) {
    if (text(i - 1) === "." || text(i - 1) === "#") continue;
    const word = text(i);
    if (word === "import") {
      if (tokens[i + 1]?.kind === "string") {
        found.push({ specifier: value(i + 1), kind: "static" });
      } else if (text(i + 1) === "(") {
        const plain = [")", ","].includes(text(i + 3) ?? "");
        found.push({ specifier: plain ? value(i + 2) : COMPUTED, kind: "dynamic" });
      } else if (text(i + 1) === "." && text(i + 3) === "." && text(i + 4) === "resolve") {
        found.push({ specifier: value(i + 6), kind: "dynamic" });
      } else if (text(i + 1) === "." && text(i + 3) === "." && text(i + 4) === "url") {
        // As in `new URL("./worker.ts", import.meta.url)`.
        found.push({ specifier: text(i - 1) === "," ? value(i - 2) : COMPUTED, kind: "dynamic" });
      } else {
        const from = fromAfter(i + 1);
        const kind = text(i + 1) === "type" && text(i + 2) !== "from" ? "type" : "static";
        if (from > 0) found.push({ specifier: value(from + 1), kind });
      }
    } else if (word === "export") {
      const type = text(i + 1) === "type";
      const first = text(type ? i + 2 : i + 1);
      const from = first === "*" || first === "{" ? fromAfter(i + 1) : -1;
      if (from > 0) found.push({ specifier: value(from + 1), kind: type ? "type" : "static" });
    } else if (word === "require" && text(i + 1) === "(") {
      found.push({ specifier: value(i + 2), kind: "static" });
    } else if (word === "module" && tokens[i + 1]?.kind === "string") {
      found.push({ specifier: value(i + 1), kind: "type" });
    }
  }
  for (const comment of comments) {
    const directive =
      /^\/\/\/\s*<reference\s+(?:path|types)\s*=\s*["']([^"']+)["']/.exec(comment) ??
        /^\/[/*]\s*@(?:deno|ts)-types\s*=\s*["']([^"']+)["']/.exec(comment);
    if (directive) found.push({ specifier: directive[1], kind: "type" });
  }
  return found;
}

/** The code of a module that is no `export … from "…"` declaration; empty if there is none. */
export function codeBesideExports(source: string): string {
  return codeOf(source)
    .replace(/(^|; )export (type )?(\*( as \w+)?|\{[\w\s,]*\}) from "[^"]*" (?=;)/g, "$1")
    .replace(/;/g, "")
    .trim();
}
