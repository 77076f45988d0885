import { type CancellationToken, TimeoutError, sleep } from "@scope/core";

/** What a wait comes to; `TimeoutError` after `ms` milliseconds; the token's error when it is cancelled. The wait itself goes on. */
export async function within(
  ms: number,
  wait: Promise<unknown>,
  token: CancellationToken,
  message: () => string,
): Promise<void> {
  const timer = token.child();
  const late = sleep(ms, timer.token).then(() => {
    throw new TimeoutError(ms, message());
  });
  try {
    await Promise.race([wait, late]);
  } finally {
    timer.cancel();
  }
}

export function quoted(names: readonly (string | undefined)[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
