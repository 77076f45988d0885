/** Bad input is refused before anything has started (L11), in core's wording. */
import { wrongType } from "@scope/core";

export function checkOneOf(name: string, value: unknown, choices: readonly unknown[]): void {
  if (choices.includes(value)) return;
  throw wrongType(name, `one of ${choices.join(", ")}`, value);
}

export function checkRange(name: string, value: unknown, least: number, most: number): void {
  const isNumber = typeof value === "number";
  if (isNumber && value >= least && value <= most) return;
  throw wrongType(name, `a number from ${least} to ${most}`, value, isNumber);
}
