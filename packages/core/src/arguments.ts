/** The door of L11: bad input is refused before anything has started, in one wording. */

/** The error for an unfit argument: names it, what was expected, and what came. */
export function wrongType(name: string, expected: string, value: unknown, kind = TypeError): TypeError {
  const shown = Object(value) === value ? Object.prototype.toString.call(value) : String(value);
  return new kind(`Expected \`${name}\` to be ${expected}, got ${shown} (${typeof value})`);
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw wrongType(name, "a function", value);
}

export function checkName(value: unknown): void {
  if (value !== undefined && typeof value !== "string") throw wrongType("name", "a string", value);
}

/** Milliseconds: 0 and fractions are fine, `Infinity` means never. */
export function checkDuration(name: string, value: unknown): void {
  if (typeof value !== "number" || !(value >= 0)) throw wrongNumber(name, "milliseconds >= 0", value);
}

/** A whole number from `least` on, or `Infinity`. */
export function checkCount(name: string, value: unknown, least: number): void {
  if ((value !== Infinity && !Number.isInteger(value)) || (value as number) < least) {
    throw wrongNumber(name, `an integer >= ${least} or Infinity`, value);
  }
}

function wrongNumber(name: string, expected: string, value: unknown): TypeError {
  return wrongType(name, expected, value, typeof value === "number" ? RangeError : TypeError);
}
