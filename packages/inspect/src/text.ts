/** Texts of values that may be anything, even unreadable. */

const LONGEST = 1000;

/** One line for a reason or an error. */
export function describeValue(value: unknown): string {
  try {
    if (value instanceof Error) return shorten(`${value.name}: ${value.message}`);
    return shorten(Object(value) === value ? Object.prototype.toString.call(value) : String(value));
  } catch {
    return "(unreadable)";
  }
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
