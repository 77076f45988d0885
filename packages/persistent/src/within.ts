import { TimeoutError, moveOnAfter } from "@scope/core";

/**
 * Waits, but no longer than `ms` milliseconds (0: a turn). Then it rejects with a `TimeoutError`: "Stopping X took longer than
 * 100 ms: "a", "b"".
 */
export async function within(
  ms: number,
  wait: () => Promise<unknown>,
  what: string,
  names: () => (string | undefined)[],
): Promise<void> {
  const inTime = await moveOnAfter(ms || 1, ({ token }) => token.race(wait().then(() => true)));
  if (inTime === true) return;
  const list = names().map((name) => `"${name}"`);
  throw new TimeoutError(ms, `${what} took longer than ${ms} ms: ${list.join(", ")}`);
}
