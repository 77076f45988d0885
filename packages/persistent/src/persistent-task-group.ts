import {
  type CancellationToken,
  type Task,
  brand,
  checkDuration,
  checkFunction,
  readable,
} from "@scope/core";
import { completions } from "./completions.ts";
import { Owner } from "./owner.ts";
import { isLinked } from "./ring.ts";
import { type Roster, openRoster } from "./roster.ts";
import type { CompletedTasks, PersistentTaskGroupOptions } from "./types.ts";

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
 * - **A `FatalError`** cancels everything, and comes out of `run`, `join` and `stop`, bare. An iteration hands its task out as any
 *   other.
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
export class PersistentTaskGroup extends Owner {
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

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(
    this,
    "PersistentTaskGroup",
    readable,
  );

  readonly #roster: Roster;

  /**
   * Opens a group that ends with disposal. Prefer {@link PersistentTaskGroup.run}, which cannot be forgotten.
   *
   * @throws TypeError for a bad option; the message names it.
   */
  constructor(options?: PersistentTaskGroupOptions);
  /** @internal A service hands its own roster in. */
  constructor(options: undefined, roster: Roster);
  constructor(options?: PersistentTaskGroupOptions, roster = openRoster(new.target.name, options)) {
    super(roster, false);
    this.#roster = roster;
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
    return isLinked(this.#roster.running);
  }

  /** A snapshot of the tasks that run, and of those that have ended and are not acknowledged, which come first. */
  get tasks(): ReadonlySet<Task<unknown>> {
    return new Set(this.#roster.tasks());
  }

  /**
   * Hands out what has ended, in the order of the ends, what is spawned meanwhile included; it ends when nothing runs and nothing
   * waits to be handed out.
   *
   * - A task is **acknowledged** when the loop comes back for the next one. A loop that is left (`break`, `throw`) leaves it to
   *   whoever asks next. Two iterations at once never get the same task.
   * - `timeout`: the longest wait for each next one, in milliseconds. When it has passed, the iteration just ends; 0 waits for
   *   nothing. @default Infinity
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
    return completions(this.#roster, timeout);
  }

  /**
   * Takes note of a task that has ended, also one that a loop holds: it is not handed out, nor thrown. Returns whether there was
   * anything to acknowledge: false for a task that runs, was acknowledged before, or is not this group's.
   */
  acknowledge(task: Task<unknown>): boolean {
    return this.#roster.acknowledge(task);
  }
}

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function open(options: PersistentTaskGroupOptions | undefined): PersistentTaskGroup {
  return new PersistentTaskGroup(options);
}
