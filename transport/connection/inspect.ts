/** Shows a value as the console of the runtime shows others. */
type Inspect = (value: unknown, options?: unknown) => string;

/**
 * Lets `console.log` of Deno and of Node.js show some properties of the objects of a class.
 *
 * @param type The class.
 * @param name The name of the class: a minifier may change the other one.
 * @param properties The properties to show.
 */
export function showAs<T extends object>(
  type: { prototype: T },
  name: string,
  properties: (object: T) => Record<string, unknown>,
): void {
  // Deno gives (inspect, options), Node.js (depth, options, inspect).
  const value = function (this: T, first: unknown, options: unknown, third: unknown): string {
    const inspect = (typeof first === "function" ? first : third) as Inspect;
    return `${name} ${inspect(properties(this), options)}`;
  };
  for (const symbol of ["Deno.customInspect", "nodejs.util.inspect.custom"]) {
    Object.defineProperty(type.prototype, Symbol.for(symbol), { value });
  }
}
