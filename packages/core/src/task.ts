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
 *   callbacks, oldest first, then whoever awaits it.
 * - K3. A finished task refers to its outcome and nothing else: not to its owner, its function or its siblings.
 * - K4. The native promise of a task is made when somebody first awaits it, and is handled from birth, so that a
 *   failure never surfaces as an `unhandledRejection` (L2).
 */
import { checkFunction } from "./arguments.ts";
import { brand, readable } from "./brand.ts";
import { CancellationToken, cancelToken, unlink } from "./cancellation-token.ts";
import { CancelledError, InvalidStateError, isCancellation } from "./errors.ts";
import { callSafely } from "./report.ts";
import { noop, resolved } from "./timer.ts";
import type { TaskFunction, TaskStatus } from "./types.ts";

/** @internal What a task tells of its end. */
export interface TaskOwner {
  _ended(task: Task<unknown>): void;
}

/** @internal What a pending task holds in place of an outcome: its place in the line for a slot. */
export interface Place {
  withdraw(): void;
}

interface Listener {
  readonly callback: (task: never) => void;
}

/** Everything that only some tasks need. */
class Audience {
  listeners: Set<Listener> | undefined = undefined;
  promise: Promise<unknown> | undefined = undefined;
  resolve: (value: unknown) => void = noop;
  reject: (error: unknown) => void = noop;
}

let lastId = 0;

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
  static [Symbol.hasInstance](value: unknown): boolean {
    return isTask(this, value);
  }

  /** A number that no other task of this copy of the package has. */
  readonly id: number;
  /** The task's own token: cancelled by {@link cancel} or with its owner. */
  readonly token: CancellationToken;
  /** @internal */ _name: string | undefined;
  /** @internal */ _status: TaskStatus;
  /** @internal The value or the error; of a pending task, its place in the line. */
  _outcome: unknown;
  /** @internal */ _owner: TaskOwner | undefined;
  /** @internal */ _audience: Audience | undefined;

  /** @internal */
  constructor(owner: TaskOwner, parent: CancellationToken, name: string | undefined) {
    this.id = ++lastId;
    this.token = new CancellationToken(parent, this);
    this._name = name;
    this._status = "pending";
    this._outcome = undefined;
    this._owner = owner;
    this._audience = undefined;
  }

  get name(): string {
    return this._name ?? `task-${this.id}`;
  }

  get status(): TaskStatus {
    return this._status;
  }

  get done(): boolean {
    return this._owner === undefined;
  }

  get cancelRequested(): boolean {
    return this.token.cancelRequested;
  }

  /** The failure, or the `CancelledError` of a cancelled task; `undefined` otherwise. */
  get error(): unknown {
    return this._status === "failed" || this._status === "cancelled" ? this._outcome : undefined;
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
    if (this.token._error === undefined) {
      cancelToken(this.token, new CancelledError(reason));
      if (this._status === "pending") (this._outcome as Place).withdraw();
    }
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
      throw new InvalidStateError(`Task "${this.name}" is ${this._status}: await it before its result`);
    if (this._status === "succeeded") return this._outcome as T;
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
    const listener: Listener = { callback };
    let listeners: Set<Listener>;
    if (this.done) {
      listeners = new Set();
      void resolved.then(() => {
        call(this, listeners);
      });
    } else listeners = (this._audience ??= new Audience()).listeners ??= new Set();
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return promiseOf(this).then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: any) => B | PromiseLike<B>) | null): Promise<T | B> {
    return promiseOf(this).catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return promiseOf(this).finally(onFinally);
  }

  toString(): string {
    return `Task "${this.name}" (${this._status})`;
  }
}

const isTask = /* @__PURE__ */ brand(Task, "@scope/core/Task", readable);

/** Calls the function of a task: its synchronous part runs here, its end comes in a microtask at the earliest (K1). */
export function start<T>(task: Task<T>, fn: TaskFunction<T>): void {
  task._status = "running";
  let promise: Promise<T>;
  try {
    // As `await` would: a native promise as it is, anything thenable adopted, a plain value wrapped.
    promise = Promise.resolve(fn(task.token));
  } catch (error) {
    promise = Promise.reject(error);
  }
  // Two shared functions, bound: two closures per task would cost half as much again.
  void promise.then(succeed.bind(undefined, task), fail.bind(undefined, task));
}

function succeed(task: Task<unknown>, value: unknown): void {
  finish(task, "succeeded", value);
}

function fail(task: Task<unknown>, error: unknown): void {
  if (isOwnCancellation(task.token, error)) finish(task, "cancelled", task.token._error);
  else finish(task, "failed", error);
}

/** Whose cancellation (L4): one's own token was cancelled, and that is what came out. */
export function isOwnCancellation(token: CancellationToken, error: unknown): boolean {
  const cancelled = token._error;
  return (
    cancelled !== undefined &&
    (isCancellation(error) || (cancelled.source === "signal" && error === cancelled.reason))
  );
}

/** Ends a task (K2, K3). Called from a microtask only. */
export function finish(task: Task<unknown>, status: TaskStatus, outcome: unknown): void {
  const owner = task._owner!;
  task._status = status;
  task._outcome = outcome;
  task._owner = undefined;
  task.token._task = undefined;
  unlink(task.token);
  owner._ended(task);
}

/** Tells whoever asked to be told of this task: its owner does so when it has been told itself (K2). */
export function tell(task: Task<unknown>): void {
  const audience = task._audience;
  if (audience === undefined) return;
  const { listeners } = audience;
  audience.listeners = undefined;
  if (listeners !== undefined) call(task, listeners);
  if (task._status === "succeeded") audience.resolve(task._outcome);
  else audience.reject(task._outcome);
}

function call(task: Task<unknown>, listeners: Set<Listener>): void {
  for (const { callback } of listeners) {
    callSafely(callback as (task: Task<unknown>) => void, task, "an onDone callback", task);
  }
}

/** The native promise of a task (K4); every caller hangs a handler on it. */
function promiseOf<T>(task: Task<T>): Promise<T> {
  const made = task._audience?.promise;
  if (made !== undefined) return made as Promise<T>;
  if (task.done)
    return task._status === "succeeded" ? Promise.resolve(task._outcome as T) : Promise.reject(task._outcome);
  const audience = (task._audience ??= new Audience());
  const promise = new Promise<T>((resolve, reject) => {
    audience.resolve = resolve as (value: unknown) => void;
    audience.reject = reject;
  });
  audience.promise = promise;
  return promise;
}
