/**
 * The shared vocabulary of the five packages.
 *
 * | word | meaning |
 * |---|---|
 * | token / source | read side / write side of one cancellation; a token never un-cancels |
 * | task | one running function with its own token, state, name and result |
 * | scope | the owner of a set of tasks: none of them outlives it |
 * | `spawn` | start a task in an owner |
 * | `cancel` | ask: synchronous, idempotent, never throws, returns at once |
 * | `join` | only wait |
 * | `stop` | ask and wait |
 * | `run` | open a scope, run the body, wait for every task, close |
 *
 * "L1" to "L11" in comments and tests are the laws in `docs/design.md`.
 */
import type { CancellationToken } from "./cancellation-token.ts";
import type { Task } from "./task.ts";

/** Who asked for a cancellation: `cancel()`, a deadline, an `AbortSignal`, a failed sibling, `stop()` or disposal. */
export type CancelSource = "explicit" | "timeout" | "signal" | "sibling" | "shutdown";

/** What can be followed: a token, or the platform's `AbortSignal`. */
export type TokenLike = CancellationToken | AbortSignal;

/** The work of a task. It is called at once, inside `spawn`, with the task's own token. */
export type TaskFunction<T> = (token: CancellationToken) => T | PromiseLike<T>;

/** `pending`: waiting for a free slot of a concurrency limit. The last three are final. */
export type TaskStatus = "pending" | "running" | "succeeded" | "failed" | "cancelled";

export interface SpawnOptions {
  /** Shown in messages and reprs. @default "task-<id>" */
  name?: string | undefined;
}

/** Whatever starts tasks. Every owner is one, so helpers can take the narrowest thing they need. */
export interface TaskSpawner {
  spawn<T>(fn: TaskFunction<T>, options?: SpawnOptions): Task<T>;
}

/** What a reporter is told about one failure. */
export interface TaskErrorContext {
  /** One line for people: which task of which owner, or which callback. */
  message: string;
  error: unknown;
  task?: Task<unknown>;
  /** The owner's name. */
  scope?: string;
}

/** Where a failure goes: to the process-wide handler, nowhere, or to a function. */
export type ErrorPolicy = "report" | "ignore" | ((context: TaskErrorContext) => void);

export interface ScopeOptions {
  /** Shown in messages and reprs. @default the class name and a number, such as "taskscope-7" */
  name?: string | undefined;
  /** Outer cancellation: when it is cancelled, so is the scope. */
  token?: TokenLike | undefined;
  /**
   * Hold the outer cancellation back, an earlier one included, until the scope has ended; `run` and `join` then
   * reject with it. @default false
   */
  shield?: boolean | undefined;
  /**
   * Milliseconds from opening, also when shielded: then everything is cancelled, and `run` rejects with
   * {@link TimeoutError} once all has ended. 0 cancels at once, and the body is not called. @default Infinity
   */
  timeout?: number | undefined;
  /**
   * At most so many tasks run; the rest wait as `pending`, first come first served. A task that awaits a pending
   * sibling holds its slot meanwhile. @default Infinity
   */
  concurrency?: number | undefined;
}

export interface TaskScopeOptions extends ScopeOptions {
  /** Told about every failed task, in a microtask. @default "report" */
  onError?: ErrorPolicy | undefined;
  /** Which errors no scope contains. @default error instanceof FatalError */
  isFatal?: ((error: unknown) => boolean) | undefined;
  /** Called in a microtask when a task has ended, whichever way; it may spawn. */
  onTaskDone?: ((task: Task<unknown>) => void) | undefined;
}

/**
 * What makes an owner that is built on a scope a different kind of owner. `TaskGroup` is one of these and a few
 * delegating methods.
 *
 * A policy must not throw, nor refer to its scope: it outlives a scope that was dropped, to report what that had
 * collected.
 */
export interface ScopePolicy {
  /** The owner's class name, for messages: "TaskGroup". */
  readonly kind: string;
  /**
   * Takes a failure over, in place of `onError`: of a task, or of the body (`undefined`). Returns whether the siblings
   * are to be cancelled. Fatal errors do not come here.
   */
  failed?(error: unknown, task: Task<unknown> | undefined): boolean;
  /** Hands out, once, the error in which the failures taken so far end up; `undefined` for none. `label` makes `TaskGroup "ingest"`. */
  outcome?(label: () => string): unknown;
}

export interface StopOptions {
  /** Becomes the reason of the cancellation. */
  reason?: unknown;
  /** Milliseconds to wait for the tasks; then `stop` rejects with {@link TimeoutError}. @default Infinity */
  timeout?: number | undefined;
}
