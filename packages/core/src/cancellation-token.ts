/**
 * The token tree.
 *
 * Every token has at most one parent and a list of children, newest last, linked through the tokens themselves. A
 * task's token stands in the list of its scope's token; so that one list is both what a cancellation has to reach and
 * what the scope calls its live tasks. A registered callback stands there too, as a leaf.
 *
 * ```text
 *            parent ──newest──▶ child 3 ◀─▶ callback ◀─▶ child 1
 *                                  │newest
 *                                  ▼
 *                               grandchild …
 * ```
 *
 * `_bridge` is a token's one tie to something that is not its parent:
 * - the callback of a leaf;
 * - an `AbortController` of the token's own, once `.signal` has been read;
 * - the `AbortSignal` that the token follows;
 * - a token with further parents: this one is its relay, a stand-in below such a parent.
 *
 * Invariants
 * - T1. `_error` is set once and never cleared (L3). A token that is not cancelled has no cancelled ancestor.
 * - T2. A token is in its parent's list from birth until it is disposed, cancelled, or its task has ended; only the
 *   token of a live task stays there while cancelled. Linking and unlinking are O(1) (L7).
 * - T3. A token that is born under a cancelled parent is cancelled from birth, with the parent's error, and not linked.
 * - T4. Cancelling marks the token and all its descendants before the first callback runs (L8). The walk
 *   keeps a list and no stack, so depth is no limit. Nobody else's code runs meanwhile, so the tree does not change.
 * - T5. A callback is called at most once, and not after it was unregistered. It may unregister itself or others,
 *   register new ones (which run in a microtask), cancel anything, or throw (L9).
 * - T6. A token that follows an `AbortSignal` listens to it only while it has a child: one listener per signal, however
 *   many scopes follow it.
 */
import { checkFunction, wrongType } from "./arguments.ts";
import { brand, readable } from "./brand.ts";
import { CancellationSource } from "./cancellation-source.ts";
import { CancelledError } from "./errors.ts";
import { callSafely } from "./report.ts";
import type { TokenLike } from "./types.ts";

/** Whose token it is: a live task; or, while somebody observes, a scope. */
export interface Owner {
  /** @internal Its token has been cancelled, and still is in its parent's list. */
  _asked(error: CancelledError): void;
}

type Bridge = ((error: CancelledError) => void) | AbortController | AbortSignal | CancellationToken;

/**
 * The read side of a cancellation: hand it to whatever should stop when asked.
 *
 * It begins with its source, task or scope. Once cancelled it stays so, and everything that looks later sees it: a
 * level, not an event (as in trio and .NET; asyncio's cancellation is an event). Cancelling never interrupts running
 * code: functions look at the token, or hand `token.signal` to what already knows abort signals.
 *
 * @example
 * ```ts
 * async function download(url: string, token: CancellationToken): Promise<string> {
 *   const response = await fetch(url, { signal: token.signal });
 *   token.throwIfCancelled();
 *   return response.text();
 * }
 * ```
 */
export class CancellationToken {
  /** Never cancelled; registering on it costs nothing. */
  static get none(): CancellationToken {
    return NONE;
  }

  /**
   * The token of anything that can be followed. A token returns itself, a token's own `.signal` its token; any other
   * `AbortSignal` is followed: one token per signal, whose `error.reason` is the signal's reason. The only listener
   * is removed when nothing needs it any more.
   *
   * @throws TypeError if `like` is neither.
   */
  static from(like: TokenLike): CancellationToken {
    return like instanceof Token ? like : follow("like", like);
  }

  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "CancellationToken", readable);

  /** @internal */ declare _error: CancelledError | undefined;
  /** @internal */ declare _parent: CancellationToken | undefined;
  /** @internal The next newer and the next older sibling. */
  declare _newer: CancellationToken | undefined;
  /** @internal */ declare _older: CancellationToken | undefined;
  /** @internal The newest child. */
  declare _newest: CancellationToken | undefined;
  /** @internal See the top of the file. */
  declare _bridge: Bridge | undefined;
  /** @internal */ declare _owner: Owner | undefined;

  private constructor(parent: CancellationToken | undefined, owner?: Owner) {
    this._error = this._parent = this._newer = this._older = this._newest = this._bridge = undefined;
    this._owner = owner;
    // Compared with undefined, here and wherever each task passes by: to ask an object for its truth costs 1.05x of a task.
    if (parent === undefined || parent === NONE) return;
    this._error = parent.error;
    if (this._error !== undefined) return;
    if (parent._bridge) listen(parent, "addEventListener");
    const older = parent._newest;
    this._parent = parent;
    this._older = older;
    if (older !== undefined) older._newer = this;
    parent._newest = this;
  }

  get cancelRequested(): boolean {
    return this.error !== undefined;
  }

  /** Why, once cancelled: the same object for every descendant and every thrower. */
  get error(): CancelledError | undefined {
    if (!this._error && this._bridge) this.handleEvent();
    return this._error;
  }

  /**
   * The platform's view of this token, for `fetch`, timers, streams and everything else that takes a signal. Made when
   * first read, one per token; `signal.reason` is `token.error`. The token of a followed signal returns that signal.
   *
   * A task's signal is not aborted after the task has ended.
   */
  get signal(): AbortSignal {
    let bridge = this._bridge;
    if (!bridge) {
      this._bridge = bridge = new AbortController();
      tokens.set(bridge.signal, this);
      if (this._error) bridge.abort(this._error);
    }
    return (bridge as { signal?: AbortSignal }).signal ?? (bridge as AbortSignal);
  }

  /** @throws CancelledError `token.error`, once cancelled. */
  throwIfCancelled(): void {
    if (this.error) throw this.error;
  }

  /**
   * Calls back when the token is cancelled, inside `cancel`, newest first; in a microtask if that has happened already.
   * Returns what unregisters: O(1), idempotent. A callback that throws stops nothing: its error goes to the
   * process-wide handler ({@link setTaskErrorHandler}).
   *
   * @throws TypeError if `callback` is not a function.
   */
  onCancel(callback: (error: CancelledError) => void): () => void {
    checkFunction("callback", callback);
    const leaf = new Token(this);
    leaf._bridge = callback;
    if (leaf._error) {
      void Promise.resolve().then(() => {
        notify(leaf);
      });
    }
    return () => {
      unregister(leaf);
    };
  }

  /**
   * The promise's outcome, or a rejection with `token.error`, whichever comes first; a token that is cancelled already
   * wins. Leaves no registration behind. The promise itself is not stopped, and an outcome that comes too late is
   * dropped: for work that holds something, hand it the token instead.
   */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const settled = Promise.resolve(promise);
      // First, as a promise of somebody's own make may throw.
      settled.then(resolve, reject);
      this.throwIfCancelled();
      const forget = this.onCancel(reject);
      settled.then(forget, forget);
    });
  }

  /** A source below this token: cancelled with it, or alone. Dispose of it when its work is done. */
  child(options?: { timeout?: number | undefined }): CancellationSource {
    return new CancellationSource({ ...options, parent: this });
  }

  toString(): string {
    return `CancellationToken (${String(this.error ?? "not cancelled")})`;
  }

  /** @internal Catches up with a followed signal that has been aborted; its listener is the token itself (T6). */
  handleEvent(): void {
    const bridge = this._bridge;
    if (isSignal(bridge) && bridge.aborted) {
      cancelToken(this, new CancelledError(bridge.reason, { source: "signal" }));
    }
  }
}

/**
 * How this package makes tokens; everybody else gets them from a source, a task or a scope. Also the class's name inside the
 * class: one that mentions itself is renamed by bundlers, and shows that in every stack.
 */
export const Token = CancellationToken as unknown as new (
  parent?: CancellationToken,
  owner?: Owner,
) => CancellationToken;

const NONE = /* @__PURE__ */ new Token();

/** Takes a token out of its parent's list; it keeps its own children and callbacks. */
export function unlink(token: CancellationToken): void {
  const { _parent: parent, _newer: newer, _older: older } = token;
  if (parent === undefined) return;
  if (newer === undefined) parent._newest = older;
  else newer._older = older;
  if (older !== undefined) older._newer = newer;
  token._parent = token._newer = token._older = undefined;
  if (parent._bridge) {
    callSafely(
      (followed) => {
        listen(followed, "removeEventListener");
      },
      parent,
      "removeEventListener",
      "AbortSignal",
    );
  }
}

/** Takes a leaf's callback back (T5). */
export function unregister(leaf: CancellationToken): void {
  leaf._bridge = undefined;
  unlink(leaf);
}

/** Cancels a token and everything below it (T4), unless it was cancelled before: the first call wins. */
export function cancelToken(root: CancellationToken, error: CancelledError): void {
  const reached: CancellationToken[] = [];
  // Once, whoever is below by two ways; not again, a live task that was cancelled alone.
  const reach = (token: CancellationToken): void => {
    if (token._error) return;
    token._error = error;
    reached.push(token);
  };
  reach(root);
  for (const token of reached) {
    const bridge = token._bridge;
    if (bridge && /* @__KEY__ */ "_bridge" in bridge) reach(bridge);
    for (let child = token._newest; child; child = child._older) reach(child);
  }
  for (const token of reached) notify(token);
}

/** The second phase, for one token: out of the list (T2), then its callback, or the signal that it has made. */
function notify(token: CancellationToken): void {
  if (!token._owner) unlink(token);
  else token._owner._asked(token._error!);
  const bridge = token._bridge;
  if (typeof bridge === "function") {
    token._bridge = undefined;
    callSafely(bridge, token._error!, "onCancel", token);
  } else (bridge as Partial<AbortController> | undefined)?.abort?.(token._error);
}

// Other people's tokens: abort signals, and tokens of another copy of this package.

/** The tokens of abort signals: followed ones, and those that a token made itself. */
const tokens = /* @__PURE__ */ new WeakMap<AbortSignal, CancellationToken>();

/** @internal The token that an argument named `name` means, for use inside this copy of the package. */
export function toToken(name: string, like: unknown): CancellationToken {
  if (!(like instanceof CancellationToken)) return follow(name, like);
  // A token of another copy has other insides. Its signal is the door that every version has.
  return like.constructor === CancellationToken ? like : follow(name, like.signal);
}

function follow(name: string, signal: unknown): CancellationToken {
  if (!isSignal(signal)) throw wrongType(name, "a CancellationToken or an AbortSignal", signal);
  let token = tokens.get(signal);
  if (!token) {
    token = new Token();
    token._bridge = signal;
    tokens.set(signal, token);
  }
  return token;
}

function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null | undefined;
  return typeof signal?.addEventListener === "function" && signal.aborted !== undefined;
}

/** Before the first child comes, and after the last has gone (T6). */
function listen(token: CancellationToken, change: "addEventListener" | "removeEventListener"): void {
  if (!token._newest && isSignal(token._bridge)) token._bridge[change]("abort", token);
}
