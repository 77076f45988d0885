import { checkDuration } from "@scope/core";
import { checkRange } from "./arguments.ts";
import type { Backoff } from "./types.ts";

/** Checks a back-off. The function that it returns gives one wait after the other, in milliseconds; or begins `anew`. */
export function delays(backoff: Backoff = { initial: 0 }): (anew: boolean) => number {
  const { initial, max = Infinity, factor = 2, jitter = 0 } = Object(backoff) as Backoff;
  checkDuration("backoff.initial", initial);
  checkDuration("backoff.max", max);
  checkRange("backoff.factor", factor, 1, Infinity);
  checkRange("backoff.jitter", jitter, 0, 1);
  let streak = 0;
  return (anew) => {
    if (anew) streak = 0;
    const shaken = initial * factor ** streak++ * (1 + jitter * (2 * Math.random() - 1));
    // 0 times an infinite factor is no number.
    return Math.min(max, shaken) || 0;
  };
}
