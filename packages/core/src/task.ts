/**
 * A task and its states.
 *
 * ```text
 *             a slot is free            fn(token) returned or resolved
 *   pending ────────────────▶ running ────────────────────────────────▶ succeeded
 *      │                         │ rejected, its token cancelled, a cancellation
 *      │                         ├────────────────────────────────────▶ cancelled
 *      │ cancelled before        │ rejected otherwise
 *      │ its turn                └────────────────────────────────────▶ failed
 *      └────────────────────────────────────────────────────────────▶ cancelled (never called)
 * ```
 *
 * Invariants
 * - K1. `running` is entered inside `spawn`, or, after waiting for a slot, in the context of the code that called it
 *   (L10). Every other transition happens in a microtask of its own (L6).
 * - K2. The end of a task is told in one order: it leaves its owner's live set, the owner is told, then `onDone`
 *   callbacks, oldest first; and a microtask or more later, whoever awaits it.
 * - K3. A finished task refers to its outcome and nothing else: not to its owner, its function or its siblings.
 * - K4. `_end`, the promise of our reaction to the function's end, is never rejected. Whoever awaits the task gets a promise
 *   of its own, made from that: so no failure surfaces as an `unhandledRejection` that the user did not make (L2).
 */
import { checkFunction } from "./arguments.ts";
import { brand, readable } from "./brand.ts";
import { type CancellationToken, Token, cancelToken, unlink } from "./cancellation-token.ts";
import { debugging, showSite } from "./debug.ts";
import { CancelledError, InvalidStateError, isCancellation } from "./errors.ts";
import { emit, observed } from "./observe.ts";
import { callSafely } from "./report.ts";
import type { Place } from "./slots.ts";
import type { TaskFunction, TaskStatus } from "./types.ts";

/** @internal Whom a task tells of its end; the owner tells the listeners in turn (K2). */
export interface TaskOwner {
  readonly _outer: CancellationToken;
  _ended(task: Task<unknown>, listeners: Listeners | undefined): void;
}

type Ended = "succeeded" | "failed" | "cancelled";

export type Listeners = Set<{ readonly callback: (task: never) => void }>;

/** The first number goes to the instance that the class keeps. */
let lastId = -1;

/**
 * One running function: its token, state, name and result. Made by `spawn`, never by `new`; it ends when the promise of
 * its function has settled, and its owner waits for that.
 *
 * Awaiting a task gives its value or throws its error. That shows the failure to the awaiter and reports it to nobody:
 * the owner does that. A task that was cancelled throws its `CancelledError`.
 *
 * The counterpart of `asyncio.Task` and Kotlin's `Deferred`. It is thenable, so an `async` function that returns a
 * task returns what the task returns.
 *
 * @example
 * ```ts
 * const task = scope.spawn((token) => download(url, token), { name: "download" });
 * task.onDone(({ name, status }) => console.log(name, status));
 * const text = await task;
 * ```
 */
export class Task<T> implements Promise<T> {
  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "Task", readable);

  /**
   * @internal One that never goes: when a full collection finds no instance alive, V8 forgets what it has learnt about the
   * class, and drops the code that it has optimised for it.
   */
  static readonly _kept: unknown = /* @__PURE__ */ new (this as unknown as new () => object)();

  /** A number that no other task of this copy of the package has. */
  declare readonly id: number;
  /** The task's own token: cancelled by {@link cancel} or with its owner. */
  declare readonly token: CancellationToken;
  /** @internal */ declare _name: string | undefined;
  /** @internal The value or the error; of a live task its listeners. */
  declare _outcome: unknown;
  /** @internal The owner, while the task runs; its place in line before that; its status afterwards. */
  declare _state: TaskOwner | Place | Ended;
  /** @internal Of a live task: fulfilled when it has ended, or, if it is pending, begun. Awaiters hang on it (K4). */
  declare _end: Promise<unknown> | undefined;

  private constructor(owner: TaskOwner, parent: CancellationToken, name: string | undefined) {
    this.id = ++lastId;
    this.token = new Token(parent, this);
    this._name = name;
    this._outcome = this._end = undefined;
    this._state = owner;
  }

  get name(): string {
    return this._name ?? `task-${this.id}`;
  }

  get status(): TaskStatus {
    const { _state: state } = this;
    if (typeof state === "string") return state;
    return (state as Partial<Place>)._withdraw === undefined ? "running" : "pending";
  }

  get done(): boolean {
    return typeof this._state === "string";
  }

  get cancelRequested(): boolean {
    return this.token.cancelRequested;
  }

  /** The failure, or the `CancelledError` of a cancelled task; `undefined` otherwise. */
  get error(): unknown {
    return this._state === "failed" || this._state === "cancelled" ? this._outcome : undefined;
  }

  get [Symbol.toStringTag](): string {
    return "Task";
  }

  /**
   * Asks this task alone to end; its siblings go on. Returns false if it is done already. The function is told through
   * its token; one that ignores the request and returns has succeeded. A pending task ends at once, never called.
   * Only the first reason counts.
   */
  cancel(reason?: unknown): boolean {
    if (this.done) return false;
    cancelToken(this.token, new CancelledError(reason));
    return true;
  }

  /**
   * The value of a task that has succeeded.
   *
   * @throws the failure, or the `CancelledError`, of one that has not.
   * @throws InvalidStateError if the task is not done: await it instead.
   */
  result(): T {
    if (!this.done)
      throw new InvalidStateError(`Task "${this.name}" is ${this.status}: await it before its result`);
    if (this._state === "succeeded") return this._outcome as T;
    throw this._outcome;
  }

  /**
   * Calls back in a microtask after the task is done, also when it is done already. Returns what unregisters: O(1),
   * idempotent. What the callback throws goes to the process-wide handler.
   *
   * @throws TypeError if `callback` is not a function.
   */
  onDone(callback: (task: Task<T>) => void): () => void {
    checkFunction("callback", callback);
    const listener = { callback };
    const { done } = this;
    const listeners = (done ? new Set() : (this._outcome ??= new Set())) as Listeners;
    listeners.add(listener);
    if (done) {
      void Promise.resolve().then(() => {
        tell(this, listeners);
      });
    }
    return () => {
      listeners.delete(listener);
    };
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return outcomeOf(this).then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: any) => B | PromiseLike<B>) | null): Promise<T | B> {
    return outcomeOf(this).catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return outcomeOf(this).finally(onFinally);
  }

  /** @internal */
  _asked(error: CancelledError): void {
    if (observed()) emit("cancelRequested", this, error);
    (this._state as Partial<Place>)._withdraw?.();
  }

  toString(): string {
    return `Task "${this.name}" (${this.status})`;
  }
}

/** How owners make tasks; nobody else does. */
export const OwnedTask = Task as unknown as new <T>(
  owner: TaskOwner,
  parent: CancellationToken,
  name: string | undefined,
) => Task<T>;

/** Calls the function of a task: its synchronous part runs here, its end comes in a microtask at the earliest (K1). */
export function start<T>(task: Task<T>, fn: TaskFunction<T>): void {
  if (observed()) emit("taskStarted", task);
  let promise: Promise<unknown>;
  try {
    // As `await` would: a native promise as it is, anything thenable adopted, a plain value wrapped.
    promise = Promise.resolve(fn(task.token));
  } catch (error) {
    promise = Promise.reject(error);
  }
  // Before the reaction is registered, which runs in the context of now: an observer may have changed that for the function.
  if (observed()) emit("taskSuspended", task);
  try {
    follow(task, promise);
  } catch (error) {
    follow(task, Promise.reject(error));
  }
}

function follow(task: Task<unknown>, promise: Promise<unknown>): void {
  // Two shared functions, bound by `this` alone: bound arguments or closures would cost more, memory above all.
  task._end = Promise.prototype.then.call(promise, succeed.bind(task), fail.bind(task));
}

function succeed(this: Task<unknown>, value: unknown): void {
  finish(this, "succeeded", value);
}

function fail(this: Task<unknown>, error: unknown): void {
  if (isOwnCancellation(this.token, error, (this._state as TaskOwner)._outer)) {
    finish(this, "cancelled", this.token._error);
  } else {
    if (debugging) showSite(this.token, error);
    finish(this, "failed", error);
  }
}

/**
 * Whose cancellation (L4): one's own token was cancelled, and that is what came out; or the reason of the abort signal
 * that the owner follows, which code that was handed the signal itself rejects with.
 */
export function isOwnCancellation(
  token: CancellationToken,
  error: unknown,
  outer: CancellationToken,
): boolean {
  const { _error: own } = token;
  if (!own) return false;
  // Nearly always; asked first: 0.94x of the cost of (e) in the comparison.
  if (error === own) return true;
  return isCancellation(error) || isReason(own, error) || isReason(outer.error, error);
}

function isReason(cancelled: CancelledError | undefined, error: unknown): boolean {
  return cancelled?.source === "signal" && cancelled.reason === error;
}

/** Ends a task (K2, K3). Called from a microtask only. */
export function finish(task: Task<unknown>, state: Ended, outcome: unknown): void {
  const owner = task._state as TaskOwner;
  const listeners = task._outcome as Listeners | undefined;
  task._state = state;
  task._outcome = outcome;
  task._end = undefined;
  task.token._owner = undefined;
  unlink(task.token);
  if (observed()) emit("taskDone", task);
  owner._ended(task, listeners);
}

/** Tells those who asked to be told of this task. */
export function tell(task: Task<unknown>, listeners: Listeners): void {
  for (const { callback } of listeners) {
    callSafely(callback as (task: Task<unknown>) => void, task, "onDone", task);
  }
}

/** A native promise of the outcome (K4); every caller hangs a handler on it. */
function outcomeOf<T>(task: Task<T>): Promise<T> {
  if (observed()) emit("awaited", task);
  return endOf(task);
}

function endOf<T>(task: Task<T>): Promise<T> {
  return Promise.resolve(task._end).then(() => (task.done ? task.result() : endOf(task)));
}
