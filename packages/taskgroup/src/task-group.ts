/**
 * The group is a policy over `TaskScope` (see `failures.ts`): every failure is collected, the first one cancels the
 * others, and the end is one error. States, waiting and priorities are the scope's.
 */
import { TaskScope, brand, checkCount, checkFunction, readable } from "@scope/core";
import type {
  CancellationToken,
  ScopeOptions,
  SpawnOptions,
  StopOptions,
  Task,
  TaskFunction,
  TaskSpawner,
} from "@scope/core";
import { Failures } from "./failures.ts";
import { mapItems, openerOf } from "./map.ts";

/**
 * A group of tasks that succeed together: the first failure cancels the rest, and all failures come out as one error.
 *
 * - **Begins** with {@link TaskGroup.run} (or `new`) and **ends** when the body and every task have ended: nothing of it
 *   runs any more when `run`, `join`, `stop` or disposal settles.
 * - **A task or the body fails**: siblings and body are cancelled (source "sibling") and waited for; then `run` and `join`
 *   reject with one `TaskGroupError` of every failure, in the order in which they happened. Nested groups nest their errors.
 *   A `FatalError` comes out bare.
 * - **A task is cancelled** alone (`task.cancel()`): nobody else is disturbed.
 * - **The group is cancelled**: all are asked and waited for. `cancel()` is no error; a `timeout` rejects with
 *   `TimeoutError`, an outer `token` with its `CancelledError`; failures count more than either.
 *
 * The counterpart of `asyncio.TaskGroup`, trio's nursery, Kotlin's `coroutineScope` and Java's `StructuredTaskScope`.
 *
 * @example
 * ```ts
 * const [user, orders] = await TaskGroup.run(async (group) => {
 *   const user = group.spawn((token) => fetchUser(id, token));
 *   const orders = group.spawn((token) => fetchOrders(id, token));
 *   return [await user, await orders];
 * });
 * ```
 */
export class TaskGroup implements TaskSpawner, AsyncDisposable {
  /**
   * Opens a group, runs the body in it, waits for every task, and closes: resolves with the body's value, or rejects as
   * told above. With an outer token that is cancelled already the body is never called (unless `shield`).
   *
   * Rejects with TypeError or RangeError for bad arguments, before anything has started.
   */
  static run<R>(body: (group: TaskGroup) => R | PromiseLike<R>, options?: ScopeOptions): Promise<R> {
    try {
      checkFunction("body", body);
      const group = open(options);
      return group.#scope.run(() => body(group));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Calls `fn` for every item, each call a task, and resolves with the results in the order of the items. The first
   * failure cancels the others and stops the source; it rejects as {@link run} does.
   *
   * With `concurrency` the source is pulled only when a slot is free, so it may be endless or slow; without, it is
   * pulled at once. On failure, cancellation and timeout its iterator is returned (`return()`), and waited for. One that is busy producing
   * its next item cannot be interrupted from outside: it is asked to return, and gets a few turns of the microtask queue to
   * answer; clean-up of its own that takes longer goes on after `map` has rejected, and what fails in it is reported.
   *
   * The counterpart of `Promise.all(items.map(fn))`, which leaves the others running when one fails.
   *
   * @example
   * ```ts
   * const pages = await TaskGroup.map(urls, (url, token) => download(url, token), { concurrency: 8 });
   * ```
   */
  static map<T, R>(
    items: Iterable<T> | AsyncIterable<T>,
    fn: (item: T, token: CancellationToken, index: number) => R | PromiseLike<R>,
    options: ScopeOptions = {},
  ): Promise<R[]> {
    try {
      const open = openerOf(items);
      checkFunction("fn", fn);
      const { concurrency = Infinity, ...others } = options;
      checkCount("concurrency", concurrency, 1);
      return mapItems(open, fn, concurrency, others);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "TaskGroup", readable);

  /**
   * @internal One that never goes: when a full collection finds no instance alive, V8 forgets what it has learnt about the
   * class, and drops the code that it has optimised for it. Nameless: inspectors pass it over.
   */
  static readonly _kept: unknown = /* @__PURE__ */ new this({ name: "" });

  readonly #scope: TaskScope;

  /**
   * Opens a group that ends with {@link join}, {@link stop} or `await using`. Prefer {@link TaskGroup.run}, which cannot be
   * forgotten.
   *
   * @throws TypeError, RangeError for a bad option; the message names it.
   */
  constructor(options?: ScopeOptions) {
    this.#scope = new TaskScope(options, new Failures());
  }

  get name(): string {
    return this.#scope.name;
  }

  /** Cancelled with the group; the parent of every task's token. */
  get token(): CancellationToken {
    return this.#scope.token;
  }

  /** "closing" from the first failure, `cancel`, `join`, `stop` or end of the body on. */
  get state(): "open" | "closing" | "closed" {
    return this.#scope.state;
  }

  get cancelRequested(): boolean {
    return this.#scope.cancelRequested;
  }

  /** How many tasks have not ended, pending ones included. */
  get size(): number {
    return this.#scope.size;
  }

  /** A snapshot of the live tasks, oldest first. */
  get tasks(): ReadonlySet<Task<unknown>> {
    return this.#scope.tasks;
  }

  /**
   * Starts a task in the group: its function is called at once, up to its first `await`.
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the group is cancelled ("is shutting down") or closed; `fn` is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options?: SpawnOptions): Task<T> {
    return this.#scope.spawn(fn, options);
  }

  /** Asks the body and all tasks to end, before it returns. Idempotent, never throws, waits for nobody; not an error. */
  cancel(reason?: unknown): void {
    this.#scope.cancel(reason);
  }

  /**
   * Waits until no task is left; then the group is closed. Rejects with what the group ends in: once, the same object to
   * everybody who waits at that moment. Later calls resolve.
   */
  join(): Promise<void> {
    return this.#scope.join();
  }

  /**
   * Cancels and waits. Rejects with the failures, as {@link join} does, but never with a cancellation; with
   * `TimeoutError`, which names the tasks that still run, when `timeout` milliseconds have passed: the failures come from
   * the next `join`.
   */
  stop(options?: StopOptions): Promise<void> {
    return this.#scope.stop(options);
  }

  /** The same as `stop()`: it cancels, since a disposer is not told whether its block ended well. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.stop();
  }

  toString(): string {
    return this.#scope.toString();
  }
}

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function open(options: ScopeOptions | undefined): TaskGroup {
  return new TaskGroup(options);
}
