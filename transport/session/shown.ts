/**
 * A value as an error message shows it: a text in quotes, an object by its class. `String` would
 * make `[object Object]` of most objects, and throws for those without a prototype.
 */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const { constructor } = value;
  const name = typeof constructor === "function" ? constructor.name : "";
  return name === "" || name === "Object" ? "a plain object" : `an object of the class ${name}`;
}

/**
 * A colon and the words of a reason, for the end of a message; an empty text without words. Of an
 * object, the words are its `message`.
 */
export function reasonWords(reason: unknown): string {
  const words = typeof reason === "object" && reason !== null
    ? (reason as { readonly message?: unknown }).message
    : reason;
  return words === undefined || words === null || words === "" || typeof words === "object"
    ? ""
    : `: ${String(words)}`;
}
