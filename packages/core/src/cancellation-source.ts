import { checkDuration } from "./arguments.ts";
import { brand } from "./brand.ts";
import { CancellationToken, cancelToken, toToken, unlink } from "./cancellation-token.ts";
import { CancelledError, TimeoutError } from "./errors.ts";
import { startTimer } from "./timer.ts";
import type { TokenLike } from "./types.ts";

/**
 * The write side of a cancellation: keep it, and hand out its `token`. As in .NET and vscode, reading and asking are two
 * objects, so that whoever gets a token cannot cancel its owner.
 *
 * It begins with `new` and ends when it is cancelled or disposed of; then nothing of it is left on its parents.
 * With parents it is cancelled with the first of them. Deadlines are milliseconds, and cancel with source "timeout".
 *
 * @example
 * ```ts
 * using source = new CancellationSource({ timeout: 5_000 });
 * process.once("SIGINT", () => source.cancel("Ctrl-C"));
 * const body = await download(url, source.token);
 * ```
 */
export class CancellationSource implements Disposable {
  static [Symbol.hasInstance](value: unknown): boolean {
    return isSource(this, value);
  }

  readonly token: CancellationToken;
  /** @internal Undoes the deadline. */
  _disarm: (() => void) | undefined;
  /** @internal Undo the ties to all parents but the first. */
  _ties: (() => void)[] | undefined;

  /**
   * @throws TypeError for a parent that is no token, or a `timeout` that is no number.
   * @throws RangeError for a negative or NaN `timeout`.
   */
  constructor(
    options: {
      parent?: TokenLike | readonly TokenLike[] | undefined;
      /** Milliseconds until the token is cancelled; 0 cancels now. @default Infinity */
      timeout?: number | undefined;
    } = {},
  ) {
    const { parent, timeout } = options;
    if (timeout !== undefined) checkDuration("timeout", timeout);
    const likes: readonly unknown[] = Array.isArray(parent) ? parent : [parent];
    const [first, ...others] = likes.map((like) => toToken("parent", like));
    this.token = new CancellationToken(first);
    this._disarm = undefined;
    this._ties = undefined;
    for (const other of others) this._tie(new CancellationToken(other));
    if (timeout !== undefined) this.cancelAfter(timeout);
  }

  /** Cancels the token and everything below it, before it returns. The first call wins; never throws. */
  cancel(reason?: unknown): void {
    if (this.token._error === undefined) cancelToken(this.token, new CancelledError(reason));
  }

  /**
   * Moves the deadline to `ms` milliseconds from now; `Infinity` disarms it, 0 cancels now. Once the token is cancelled
   * there is nothing to move.
   *
   * @throws TypeError, RangeError if `ms` is no number >= 0.
   */
  cancelAfter(ms: number): void {
    checkDuration("ms", ms);
    this._disarm?.();
    const { token } = this;
    const expire = (): void => {
      cancelToken(token, new CancelledError(new TimeoutError(ms), { source: "timeout" }));
    };
    if (ms === 0) expire();
    else this._disarm = untilCancelled(token, startTimer(ms, expire));
  }

  /** Detaches from the parents and disarms the deadline; cancels nothing. */
  [Symbol.dispose](): void {
    this._disarm?.();
    this._ties?.forEach((undo) => {
      undo();
    });
    unlink(this.token);
  }

  /** @internal A relay below one more parent carries its cancellation over. */
  _tie(relay: CancellationToken): void {
    const { token } = this;
    if (relay._error !== undefined) cancelToken(token, relay._error);
    relay._bridge = token;
    (this._ties ??= []).push(untilCancelled(token, unlink.bind(undefined, relay)));
  }
}

/** Has something undone when the token is cancelled, or by the function returned. */
function untilCancelled(token: CancellationToken, undo: () => void): () => void {
  const forget = token.onCancel(undo);
  return () => {
    forget();
    undo();
  };
}

const isSource = /* @__PURE__ */ brand(CancellationSource, "@scope/core/CancellationSource", {});
