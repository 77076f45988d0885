import type { Settings } from "./arguments.ts";

/**
 * Milliseconds until the next attempt: twice as many after each failure, and up to a tenth more, so that rows that failed together do
 * not come back together.
 */
export function retryDelay(
  attempt: number,
  { retryInitial, retryMax }: Pick<Settings, "retryInitial" | "retryMax">,
  random = Math.random,
): number {
  return Math.min(retryMax, retryInitial * 2 ** (attempt - 1)) * (1 + random() / 10);
}
