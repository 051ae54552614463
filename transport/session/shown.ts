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
