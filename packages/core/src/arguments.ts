/** The door of L11: bad input is refused before anything has started, in one wording. */

/** The error for an argument of the wrong type; names it, what was expected, and what came. */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`Expected \`${name}\` to be ${expected}, got ${show(value)}`);
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw wrongType(name, "a function", value);
}

export function checkOptions(value: unknown): void {
  if (typeof value !== "object" || value === null) throw wrongType("options", "an object", value);
}

export function checkName(value: unknown): void {
  if (value !== undefined && typeof value !== "string") throw wrongType("name", "a string", value);
}

/** Milliseconds: 0 and fractions are fine, `Infinity` means never. */
export function checkDuration(name: string, value: unknown): void {
  checkNumber(name, "a number of milliseconds >= 0", value, (number) => number >= 0);
}

/** A whole number from `least` on, or `Infinity`. */
export function checkCount(name: string, value: unknown, least: number): void {
  checkNumber(
    name,
    `an integer >= ${String(least)} or Infinity`,
    value,
    (number) => number >= least && (number === Infinity || Number.isInteger(number)),
  );
}

function checkNumber(name: string, expected: string, value: unknown, fits: (value: number) => boolean): void {
  if (typeof value !== "number") throw wrongType(name, expected, value);
  if (!fits(value)) throw new RangeError(`Expected \`${name}\` to be ${expected}, got ${show(value)}`);
}

function show(value: unknown): string {
  const type = typeof value;
  if (type === "string") return `${JSON.stringify(value)} (string)`;
  if (type === "function" || (type === "object" && value !== null))
    return Object.prototype.toString.call(value);
  return `${String(value)} (${type})`;
}
