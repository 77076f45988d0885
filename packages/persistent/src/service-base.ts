import {
  type CancellationToken,
  FatalError,
  type StopOptions,
  type Task,
  type TaskFunction,
  type TaskSpawner,
  brand,
  readable,
} from "@scope/core";
import { PersistentTaskGroup } from "./persistent-task-group.ts";
import type { PersistentSpawnOptions, Service, ServiceBaseOptions } from "./types.ts";

/**
 * The usual way to make a {@link Service}: say in `main` what it does, and start more tasks with {@link spawn}.
 *
 * - **Begins** with {@link start}, and **ends** when `main` and every task have; {@link stop} sees to that. Then it can be
 *   started again, unless it was disposed of.
 * - **A task fails**: it is logged, disturbs nobody, and is kept in {@link taskGroup} until it is acknowledged, there or by
 *   `join` or `stop`.
 * - **`main` fails**: the same; {@link isRunning} is false then, and tasks that run go on. Who is to start it again is for its owner
 *   to say: see `ServiceGroup`.
 * - **It is cancelled** (`cancel`, `stop`, the outer `token`): `main` and all tasks are asked through their tokens.
 *
 * Idea: frequenz' `Service` and `ServiceBase`.
 *
 * @example
 * ```ts
 * class Clock extends ServiceBase {
 *   protected async main(token: CancellationToken): Promise<void> {
 *     for (;;) {
 *       await sleep(1_000, token);
 *       this.spawn((token) => tick(token), { name: "tick" });
 *     }
 *   }
 * }
 *
 * await using clock = new Clock();
 * clock.start();
 * ```
 */
export abstract class ServiceBase implements Service, TaskSpawner {
  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "ServiceBase", readable);

  /** The tasks beside `main`: iterate and acknowledge them here. */
  declare readonly taskGroup: PersistentTaskGroup;

  /** `main`, and with it the tasks. */
  readonly #whole: PersistentTaskGroup;
  readonly #logError: boolean;

  /** @throws TypeError for a bad option; the message names it. */
  constructor(options?: ServiceBaseOptions);
  /** @internal Without `logError`, what `main` fails with comes bare if it is alone. */
  constructor(options: ServiceBaseOptions | undefined, logError: boolean);
  constructor(options?: ServiceBaseOptions, logError = true) {
    this.taskGroup = new PersistentTaskGroup(options, new.target.name);
    this.#whole = new PersistentTaskGroup(undefined, undefined, this.taskGroup);
    this.#logError = logError;
  }

  /** Names it in messages, and its tasks. */
  get uniqueId(): string {
    return this.taskGroup.uniqueId;
  }

  /** Whether `main` is running. */
  get isRunning(): boolean {
    return this.#whole.isRunning;
  }

  /**
   * What the service does, until it is cancelled or has nothing more to do. Called by {@link start}; its task is named
   * "<ClassName>:<uniqueId>".
   */
  protected abstract main(token: CancellationToken): Promise<void>;

  /**
   * Starts `main`. While it runs, nothing; while the service is being stopped, nothing either.
   *
   * @throws InvalidStateError if the outer token is cancelled.
   */
  start(): void {
    if (!this.isRunning)
      this.#whole.spawn((token) => this.main(token), { name: "", logError: this.#logError });
  }

  /**
   * Starts a task: its function is called at once, up to its first `await`. Its name is "<ClassName>:<uniqueId>:<name>". What is
   * spawned while somebody is in {@link stop} ends cancelled, and its function is never called.
   *
   * @throws TypeError if `fn` is not a function.
   * @throws InvalidStateError if the outer token is cancelled ("is shutting down"), or all has ended for good ("is closed"); `fn`
   * is then never called.
   */
  spawn<T>(fn: TaskFunction<T>, options?: PersistentSpawnOptions): Task<T> {
    return this.taskGroup.spawn(fn, options);
  }

  /** Asks `main` and all tasks to end, before it returns. Idempotent, never throws, waits for nobody. */
  cancel(reason?: unknown): void {
    this.#whole.cancel(reason);
  }

  /**
   * Waits until nothing runs, what is spawned meanwhile included. Then it acknowledges everything, and rejects, by rank, with a
   * fatal error; with one `TaskGroupError` of what had failed or was cancelled; with the outer cancellation, if nothing failed.
   * Of several who wait at once the first to settle tells, and the others resolve.
   */
  join(): Promise<void> {
    return this.#whole.join();
  }

  /**
   * Cancels and waits. Rejects as {@link join} does, but never with a cancellation.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names what still runs. That has been asked;
   * what fails is then for the next `join`.
   */
  stop(options?: StopOptions): Promise<void> {
    return this.#whole.stop(options);
  }

  /**
   * The same as `stop()`, for good: from then on `spawn` is refused. It cancels, since a disposer is not told whether its block
   * ended well.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#whole[Symbol.asyncDispose]();
  }

  /** Resolves when `main` does not run any more, whichever way it ended; tasks may. Rejects with a `FatalError` alone. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#whole.tasks);
    const reason = this.taskGroup.token.error?.reason;
    if (reason instanceof FatalError) throw reason;
  }

  toString(): string {
    return this.#whole.toString();
  }
}
