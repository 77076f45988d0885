import {
  type CancellationToken,
  CancelledError,
  type StopOptions,
  type Task,
  type TaskFunction,
  type TaskSpawner,
  brand,
  checkDuration,
  checkFunction,
  readable,
} from "@scope/core";
import { Completions } from "./completions.ts";
import { Roster } from "./roster.ts";
import type { CompletedTasks, PersistentSpawnOptions, PersistentTaskGroupOptions } from "./types.ts";

/**
 * A group of tasks that lives as long as its owner: a failure is logged, disturbs nobody, and is kept until somebody has looked
 * at it.
 *
 * - **Begins** with {@link PersistentTaskGroup.run} (or `new`), and **ends** with the body of `run`, or with disposal. `cancel`,
 *   `join` and `stop` leave it open: what is spawned after them runs.
 * - **A task fails**: it is logged at once, under its name; siblings and body go on. It stays in {@link tasks} until it is
 *   acknowledged: by an iteration ({@link asCompleted}) that comes back for the next one, by {@link acknowledge}, or by `join` or
 *   `stop`, which throw all that is left as one `TaskGroupError`.
 * - **A task is cancelled**: it is kept and iterated like a failure; `join` throws it, `stop` does not.
 * - **The outer `token` is cancelled**: so is every task, and nothing more is started.
 * - **A `FatalError`** cancels everything, and comes out of `run`, `join`, `stop` or the iteration, bare.
 *
 * Idea: frequenz' `PersistentTaskGroup`.
 *
 * @example
 * ```ts
 * await PersistentTaskGroup.run(
 *   async (group) => {
 *     for (const target of targets) group.spawn((token) => probe(target, token), { name: target });
 *     for await (const task of group.asCompleted()) console.log(task.name, task.status);
 *   },
 *   { token },
 * );
 * ```
 */
export class PersistentTaskGroup implements TaskSpawner, AsyncDisposable {
  /**
   * Opens a group, runs the body in it, stops the group when the body has ended, and resolves with the body's value.
   *
   * Rejects, all tasks having ended, with the first of these that applies (L5): a fatal error, bare; one `TaskGroupError` of the
   * body's error and everything that failed and was not acknowledged; the body's error, bare; the outer cancellation. With an
   * outer token that is cancelled already the body is never called. Bad arguments reject too (TypeError).
   */
  static async run<R>(
    body: (group: PersistentTaskGroup) => R | PromiseLike<R>,
    options?: PersistentTaskGroupOptions,
  ): Promise<R> {
    checkFunction("body", body);
    const group = open(options);
    group.token.throwIfCancelled();
    const roster = group.#roster;
    const main = roster.begin(() => body(group));
    await Promise.allSettled([main]);
    await roster.stop(true, {}, true);
    roster.outer.throwIfCancelled();
    return main.result();
  }

  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(this, "PersistentTaskGroup", readable);

  readonly #roster: Roster;
  #unnamed = 0;

  /**
   * Opens a group that ends with disposal. Prefer {@link PersistentTaskGroup.run}, which cannot be forgotten.
   *
   * @throws TypeError for a bad option; the message names it.
   */
  constructor(options?: PersistentTaskGroupOptions) {
    // A service hands its roster in.
    this.#roster = options instanceof Roster ? options : new Roster(this.constructor.name, options);
  }

  /** Names the group in messages, and its tasks. */
  get uniqueId(): string {
    return this.#roster.uniqueId;
  }

  /**
   * Cancelled with the outer token, by a fatal error, and when the group has ended for good; not by {@link cancel}, which
   * leaves the group open. Every task's token descends from it.
   */
  get token(): CancellationToken {
    return this.#roster.token;
  }

  /** Whether any task is running. */
  get isRunning(): boolean {
    return this.#roster.running.size > 0;
  }

  /** A snapshot of the tasks that run, and of those that have ended and are not acknowledged, which come first. */
  get tasks(): ReadonlySet<Task<unknown>> {
    const { ledger, running } = this.#roster;
    return new Set([...ledger.tasks, ...running.values()].filter((task) => task !== undefined));
  }

  /**
   * Starts a task: its function is called at once, up to its first `await`. Its name is "<ClassName>:<uniqueId>:<name>". What is
   * spawned while somebody is in {@link stop} ends cancelled, and its function is never called.
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the outer token is cancelled ("is shutting down"), or the group has ended for good ("is
   * closed"); `fn` is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options: PersistentSpawnOptions = {}): Task<T> {
    const { name = `task-${++this.#unnamed}`, logError = true } = options;
    return this.#roster.spawn(fn, `${this.#roster.label}:${name}`, logError);
  }

  /** Asks all tasks to end, before it returns. Idempotent, never throws, waits for nobody; the group stays open. */
  cancel(reason?: unknown): void {
    this.#roster.cancel(new CancelledError(reason), false);
  }

  /**
   * Waits until nothing runs, what is spawned meanwhile included. Then it acknowledges everything, and rejects, by rank, with a
   * fatal error; with one `TaskGroupError` of what had failed or was cancelled; with the outer cancellation, if nothing failed.
   * Of several who wait at once the first to settle tells, and the others resolve.
   */
  join(): Promise<void> {
    return this.#roster.join(false);
  }

  /**
   * Cancels and waits. Rejects as {@link join} does, but never with a cancellation.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names the tasks that still run. They have
   * been asked; what fails is then for the next `join`.
   */
  stop(options?: StopOptions): Promise<void> {
    return this.#roster.stop(false, options);
  }

  /**
   * The same as `stop()`, for good: from then on `spawn` is refused. It cancels, since a disposer is not told whether its block
   * ended well.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#roster.stop(false, {}, true);
  }

  /**
   * Hands out what has ended, in the order of the ends, what is spawned meanwhile included; it ends when nothing runs and nothing
   * waits to be handed out.
   *
   * - A task is **acknowledged** when the loop comes back for the next one. A loop that is left (`break`, `throw`) leaves it to
   *   whoever asks next. Two iterations at once never get the same task.
   * - `timeout`: the longest wait for each next one, in milliseconds. When it has passed, the iteration just ends; 0 waits for
   *   nothing. @default Infinity
   * - Rejects with a `FatalError`, bare, when all has ended.
   *
   * **Pitfall.** A task is thenable. An async generator that yields one, or an async function that returns one, hands out what
   * the task came to instead: pass tasks on with a hand-written iterator, or inside an object.
   *
   * The counterpart of frequenz' `as_completed`.
   *
   * @throws TypeError, RangeError for a bad `timeout`.
   *
   * @example
   * ```ts
   * for await (const task of group.asCompleted({ timeout: 5_000 })) {
   *   if (task.status === "failed") group.spawn((token) => again(task, token));
   * }
   * ```
   */
  asCompleted(options: { timeout?: number | undefined } = {}): CompletedTasks {
    const { timeout = Infinity } = options;
    checkDuration("timeout", timeout);
    return new Completions(this.#roster, timeout);
  }

  /**
   * Takes note of a task that has ended, also one that a loop holds: it is not handed out, nor thrown. Returns whether there was
   * anything to acknowledge: false for a task that runs, was acknowledged before, or is not this group's.
   */
  acknowledge(task: Task<unknown>): boolean {
    return this.#roster.ledger.acknowledge(task);
  }

  toString(): string {
    return this.#roster.describe("running");
  }
}

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function open(options: PersistentTaskGroupOptions | undefined): PersistentTaskGroup {
  return new PersistentTaskGroup(options);
}
