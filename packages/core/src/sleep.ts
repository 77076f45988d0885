import { checkDuration } from "./arguments.ts";
import { CancellationToken, Token, toToken, unregister } from "./cancellation-token.ts";
import { emit, observed, ownerOf } from "./observe.ts";
import { startTimer } from "./timer.ts";
import type { TokenLike } from "./types.ts";

/**
 * Waits `ms` milliseconds; `Infinity` waits until it is cancelled. Rejects with the token's error as soon as the token
 * is cancelled, at once if it is already; its timer and its registration are gone by then.
 * The counterpart of `asyncio.sleep`.
 *
 * Rejects with TypeError or RangeError if `ms` is no number >= 0 or `token` is no token.
 *
 * @example
 * ```ts
 * await sleep(250, token);
 * ```
 */
export async function sleep(ms: number, token: TokenLike = CancellationToken.none): Promise<void> {
  checkDuration("ms", ms);
  const watched = toToken("token", token);
  watched.throwIfCancelled();
  if (observed()) emit("sleeping", ownerOf(watched), ms);
  await new Promise<void>((resolve, reject) => {
    const leaf = new Token(watched);
    const disarm = startTimer(ms, () => {
      unregister(leaf);
      resolve();
    });
    leaf._bridge = (error) => {
      disarm();
      reject(error);
    };
  });
}
