/** Texts of values that may be anything, even unreadable. */

const LONGEST = 1000;

/** One line for a reason or an error. */
export function describeValue(value: unknown): string {
  try {
    const text =
      value instanceof Error
        ? `${value.name}: ${value.message}`
        : Object(value) === value
          ? label(value as object)
          : String(value);
    return shorten(text);
  } catch {
    return "(unreadable)";
  }
}

function label(value: object): string {
  const { toString } = value;
  return typeof value === "function" ||
    toString === Object.prototype.toString ||
    typeof toString !== "function"
    ? Object.prototype.toString.call(value)
    : String(value);
}

export function stackOf(error: unknown): string | undefined {
  try {
    const { stack } = error as { stack?: unknown };
    return typeof stack === "string" ? shorten(stack, 10 * LONGEST) : undefined;
  } catch {
    return undefined;
  }
}

export function shorten(text: string, longest = LONGEST): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}…`;
}
