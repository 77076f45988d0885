/** The door of L11: bad input is refused before anything has started, in one wording. */

/** The error for an unfit argument: names it, what was expected, and what came. */
export function wrongType(name: string, expected: string, value: unknown, outOfRange?: boolean): TypeError {
  const shown = Object(value) === value ? Object.prototype.toString.call(value) : String(value);
  const message = `Expected \`${name}\` to be ${expected}, got ${shown} (${typeof value})`;
  return new (outOfRange ? RangeError : TypeError)(message);
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw wrongType(name, "a function", value);
}

export function checkName(value: unknown): void {
  if (value !== undefined && typeof value !== "string") throw wrongType("name", "a string", value);
}

/** Milliseconds: 0 and fractions are fine, `Infinity` means never. */
export function checkDuration(name: string, value: unknown): void {
  const isNumber = typeof value === "number";
  if (!(isNumber && value >= 0)) throw wrongType(name, "milliseconds >= 0", value, isNumber);
}

/** A whole number from `least` on, or `Infinity`. */
export function checkCount(name: string, value: unknown, least: number): void {
  if ((value !== Infinity && !Number.isInteger(value)) || (value as number) < least) {
    throw wrongType(name, `an integer >= ${least} or Infinity`, value, typeof value === "number");
  }
}
