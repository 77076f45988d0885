import { checkDuration, checkOptions } from "./arguments.ts";
import { brand, hasBrand } from "./brand.ts";
import { CancellationToken, Registration, cancelToken, toToken, unlink } from "./cancellation-token.ts";
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
    return hasBrand(this, value, SOURCE);
  }

  readonly token: CancellationToken;
  /** @internal Stand-ins below all parents but the first. */
  _relays: CancellationToken[] | undefined;
  /** @internal */ _disarm: (() => void) | undefined;
  /** @internal Takes relays and deadline away once the token is cancelled. */
  _release: Registration | undefined;

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
    checkOptions(options);
    const { parent, timeout } = options;
    if (timeout !== undefined) checkDuration("timeout", timeout);
    const parents = Array.isArray(parent)
      ? (parent as readonly TokenLike[]).map((like, index) => toToken(`parent[${String(index)}]`, like))
      : [toToken("parent", parent as TokenLike | undefined)];
    this.token = new CancellationToken(parents[0]);
    this._relays = undefined;
    this._disarm = undefined;
    this._release = undefined;
    for (let index = 1; index < parents.length; index++) this._follow(parents[index]);
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
    this._disarm = undefined;
    if (this.token.error !== undefined) return;
    const expire = (): void => {
      cancelToken(this.token, new CancelledError(new TimeoutError(ms), { source: "timeout" }));
    };
    if (ms === 0) expire();
    else if (ms !== Infinity) {
      this._disarm = startTimer(ms, expire);
      this._releaseWhenCancelled();
    }
  }

  /** Detaches from the parents and disarms the deadline; cancels nothing. */
  [Symbol.dispose](): void {
    this._release?.leave();
    this._detach();
    unlink(this.token);
  }

  toString(): string {
    return String(this.token).replace("Token", "Source");
  }

  /** @internal One more parent: a relay below it carries its cancellation over. */
  _follow(parent: CancellationToken | undefined): void {
    if (parent === undefined || this.token._error !== undefined) return;
    const relay = new CancellationToken(parent);
    if (relay._error !== undefined) cancelToken(this.token, relay._error);
    else {
      relay._bridge = this.token;
      (this._relays ??= []).push(relay);
      this._releaseWhenCancelled();
    }
  }

  /** @internal */
  _releaseWhenCancelled(): void {
    if (this._release !== undefined) return;
    this._release = new Registration(() => {
      this._detach();
    });
    this._release.enter(this.token);
  }

  /** @internal */
  _detach(): void {
    this._disarm?.();
    this._relays?.forEach(unlink);
    this._disarm = this._relays = this._release = undefined;
  }
}

const SOURCE = /* @__PURE__ */ brand(CancellationSource, "@scope/core/CancellationSource");
