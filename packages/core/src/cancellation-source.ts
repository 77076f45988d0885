import { checkDuration } from "./arguments.ts";
import { brand } from "./brand.ts";
import { CancellationToken, Token, cancelToken, toToken, unlink } from "./cancellation-token.ts";
import { CancelledError, TimeoutError } from "./errors.ts";
import { noop, startTimer } from "./timer.ts";
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
  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "CancellationSource", {});

  declare readonly token: CancellationToken;
  /** @internal Undoes the deadline. */
  declare _disarm: (() => void) | undefined;
  /** @internal Undo the ties to all parents but the first. */
  declare _ties: (() => void)[] | undefined;

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
    const { parent = CancellationToken.none, timeout = Infinity } = options;
    checkDuration("timeout", timeout);
    const several = Array.isArray(parent) ? parent.map(toParent) : undefined;
    this.token = new Token(several ? several.shift() : toParent(parent));
    this._ties = several?.map((other) => untilCancelled(this.token, tie(this.token, other)));
    if (timeout !== Infinity) this.cancelAfter(timeout);
  }

  /** Cancels the token and everything below it, before it returns. The first call wins; never throws. */
  cancel(reason?: unknown): void {
    cancelToken(this.token, new CancelledError(reason));
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
    this._disarm = startDeadline(this.token, ms, new TimeoutError(ms));
  }

  /** Detaches from the parents and disarms the deadline; cancels nothing. */
  [Symbol.dispose](): void {
    this._disarm?.();
    this._ties?.forEach((undo) => {
      undo();
    });
    unlink(this.token);
  }
}

function toParent(like: unknown): CancellationToken {
  return toToken("parent", like);
}

/**
 * Has a token cancelled with another one, as if that were its parent too. Returns what unties them: for owners whose tasks are
 * somebody else's as well, who untie them when the task has ended.
 */
export function tie(token: CancellationToken, parent: CancellationToken): () => void {
  // A relay below the further parent carries its cancellation over.
  const relay = new Token(parent);
  if (relay._error) cancelToken(token, relay._error);
  relay._bridge = token;
  return () => {
    unlink(relay);
  };
}

/** Cancels a token after `ms` milliseconds, 0 meaning now. Returns what disarms the deadline. */
export function startDeadline(token: CancellationToken, ms: number, expired: TimeoutError): () => void {
  const expire = (): void => {
    cancelToken(token, new CancelledError(expired, { source: "timeout" }));
  };
  if (ms > 0) return untilCancelled(token, startTimer(ms, expire));
  expire();
  return noop;
}

/** Has something undone when the token is cancelled, or by the function returned. */
export function untilCancelled(token: CancellationToken, undo: () => void): () => void {
  const forget = token.onCancel(undo);
  return () => {
    forget();
    undo();
  };
}
