import { CancellationToken, CancelledError, TimeoutError } from "@scope/core";

/** What a wait comes to; `TimeoutError` after `ms` milliseconds, the token's error when it is cancelled. The wait itself goes on. */
export async function within<T>(
  ms: number,
  wait: Promise<T>,
  message: () => string,
  token: CancellationToken = CancellationToken.none,
): Promise<T> {
  const limit = token.child({ timeout: ms });
  try {
    return await limit.token.race(wait);
  } catch (error) {
    const late = error instanceof CancelledError && error === limit.token.error && error.source === "timeout";
    throw late ? new TimeoutError(ms, message()) : error;
  } finally {
    limit[Symbol.dispose]();
  }
}

export function quoted(names: Iterable<string | undefined>): string {
  return Array.from(names, (name) => `"${name}"`).join(", ");
}
