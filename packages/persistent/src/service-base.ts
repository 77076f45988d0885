import {
  CancelledError,
  type CancellationToken,
  type StopOptions,
  type Task,
  type TaskFunction,
  brand,
  readable,
} from "@scope/core";
import { PersistentTaskGroup } from "./persistent-task-group.ts";
import { Roster } from "./roster.ts";
import type { PersistentSpawnOptions, Service, ServiceBaseOptions } from "./types.ts";

/**
 * The usual way to make a {@link Service}: say in `main` what it does, and start more tasks with {@link spawn}.
 *
 * - **Begins** with {@link start}, and **ends** when `main` and every task have; {@link stop} sees to that. Then it can be
 *   started again.
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
 *       this.spawn((token) => this.tick(token), { name: "tick" });
 *     }
 *   }
 * }
 *
 * await using clock = new Clock();
 * clock.start();
 * ```
 */
export abstract class ServiceBase implements Service {
  static readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(this, "ServiceBase", readable);

  /** The tasks beside `main`: iterate and acknowledge them here. */
  readonly taskGroup: PersistentTaskGroup;
  /** @internal */ readonly _roster: Roster;

  /** @throws TypeError for a bad option; the message names it. */
  constructor(options?: ServiceBaseOptions) {
    this._roster = new Roster(this.constructor.name, options);
    this._roster.bare = false;
    this.taskGroup = groupOf(this._roster);
  }

  get uniqueId(): string {
    return this._roster.uniqueId;
  }

  /** Whether `main` is running. */
  get isRunning(): boolean {
    return this._roster.main.size > 0;
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
    if (!this.isRunning) this._roster.begin((token) => this.main(token));
  }

  /** Starts a task beside `main`, named "<ClassName>:<uniqueId>:<name>"; as `PersistentTaskGroup.spawn`. */
  spawn<T>(fn: TaskFunction<T>, options?: PersistentSpawnOptions): Task<T> {
    return this.taskGroup.spawn(fn, options);
  }

  /** Asks `main` and all tasks to end, before it returns. Idempotent, never throws, waits for nobody. */
  cancel(reason?: unknown): void {
    this._roster.cancel(new CancelledError(reason), true);
  }

  /** Waits until `main` and all tasks have ended; then it rejects as `PersistentTaskGroup.join` does. */
  join(): Promise<void> {
    return this._roster.join(true);
  }

  /**
   * Cancels `main` and all tasks, and waits. Rejects with one `TaskGroupError` of what failed, without cancellations. Before
   * {@link start} it has nothing to do.
   *
   * @throws TimeoutError (as a rejection) when `timeout` milliseconds have passed; it names the tasks that still run.
   */
  stop(options?: StopOptions): Promise<void> {
    return this._roster.stop(true, options);
  }

  /** Resolves when `main` does not run any more, whichever way it ended; tasks may. */
  async ended(): Promise<void> {
    await Promise.allSettled(this._roster.main.values());
  }

  /** The same as `stop()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  toString(): string {
    return this._roster.describe(this.isRunning ? "running, tasks" : "stopped, tasks");
  }
}

/** The group that shows a service's tasks. */
function groupOf(roster: Roster): PersistentTaskGroup {
  return new (PersistentTaskGroup as unknown as new (roster: Roster) => PersistentTaskGroup)(roster);
}
