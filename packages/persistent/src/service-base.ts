import { type CancellationToken, brand, readable } from "@scope/core";
import { Owner } from "./owner.ts";
import { PersistentTaskGroup } from "./persistent-task-group.ts";
import { isLinked, members } from "./ring.ts";
import { type Roster, openRoster } from "./roster.ts";
import type { Service, ServiceBaseOptions } from "./types.ts";

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
export abstract class ServiceBase extends Owner implements Service {
  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(this, "ServiceBase", readable);

  /** The tasks beside `main`: iterate and acknowledge them here. */
  readonly taskGroup: PersistentTaskGroup;
  readonly #roster: Roster;

  /** @throws TypeError for a bad option; the message names it. */
  constructor(options?: ServiceBaseOptions);
  /** @internal A group hands its own roster in. */
  constructor(options: ServiceBaseOptions | undefined, roster: Roster);
  constructor(options?: ServiceBaseOptions, roster = openRoster(new.target.name, options, false)) {
    super(roster, true);
    this.#roster = roster;
    this.taskGroup = new PersistentTaskGroup(undefined, roster);
  }

  /** Whether `main` is running. */
  get isRunning(): boolean {
    return isLinked(this.#roster.main);
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
    if (!this.isRunning) this.#roster.begin((token) => this.main(token));
  }

  /** Resolves when `main` does not run any more, whichever way it ended; tasks may. Rejects with a `FatalError` alone. */
  async ended(): Promise<void> {
    await Promise.allSettled(members(this.#roster.main).map(({ task }) => task as PromiseLike<unknown>));
    this.#roster.throwIfFatal();
  }
}
