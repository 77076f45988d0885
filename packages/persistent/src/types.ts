import type { SpawnOptions, StopOptions, Task, TaskSpawner, TokenLike } from "@scope/core";

export interface PersistentTaskGroupOptions {
  /** The group's part in the names of its tasks, "<ClassName>:<uniqueId>:<name>". @default a number */
  uniqueId?: string | undefined;
  /** Who starts the tasks: they are then tasks of that owner as well, under its rules. @default the group itself */
  spawner?: TaskSpawner | undefined;
  /** Outer cancellation: when it is cancelled, so is everything here, and nothing more is started. */
  token?: TokenLike | undefined;
  /**
   * What is kept until it is acknowledged: everything that has ended, or failures alone. With "failures" a group that nobody
   * iterates does not grow with what succeeds. @default "all"
   */
  retain?: "all" | "failures" | undefined;
}

export interface PersistentSpawnOptions extends SpawnOptions {
  /** Whether a failure is told to the process-wide handler at once, in one line with the task's name. @default true */
  logError?: boolean | undefined;
}

/**
 * What a loop over tasks that have ended is made of: an `AsyncIterableIterator<Task<unknown>>`, spelt out. By that name TypeScript
 * takes the items of `for await` for what the tasks come to, although they are handed out as they are; and, before version 7, so it
 * does with any other name from the second loop of a program on, but for a union of types.
 */
export type CompletedTasks = TaskIterator<"one"> | TaskIterator<"other">;

interface TaskIterator<Name extends string> extends AsyncDisposable {
  next(): Promise<IteratorResult<Task<unknown>, undefined>>;
  return(): Promise<IteratorResult<Task<unknown>, undefined>>;
  [Symbol.asyncIterator](): TaskIterator<Name>;
}

/**
 * Something that is started, runs until it is stopped, and can be started again. {@link ServiceBase} is the usual way to make
 * one; whatever has these members is one too.
 */
export interface Service extends AsyncDisposable {
  /** Names it in messages. */
  readonly uniqueId: string;
  /** From `start()` until its main work has ended, whichever way. */
  readonly isRunning: boolean;
  /** Starts it; while it runs, nothing. */
  start(): void;
  /** Asks it to end: synchronous, idempotent, never throws. */
  cancel(reason?: unknown): void;
  /** Asks it to end and waits for that; before `start()` it has nothing to do. Rejects with what failed. */
  stop(options?: StopOptions): Promise<void>;
  /** Only waits for its end. Rejects with what failed. */
  join(): Promise<void>;
  /** Resolves when it does what it is for. Without it, a service is ready as soon as `start()` has returned. */
  ready?(): Promise<void>;
  /** Resolves when its main work does not run any more, whatever else of it may. Without it, {@link join} tells. */
  ended?(): Promise<void>;
}

export interface ServiceOptions {
  /** Names it in messages. @default a number */
  uniqueId?: string | undefined;
  /** Outer cancellation: when it is cancelled, the service ends, and cannot be started again. */
  token?: TokenLike | undefined;
}

export interface ServiceBaseOptions extends ServiceOptions {
  /** As of `PersistentTaskGroup`: what of the tasks is kept until it is acknowledged. @default "all" */
  retain?: "all" | "failures" | undefined;
}

/** What a group does when one of its services ends that nobody has stopped: stop as a whole, nothing, or start it again. */
export type EndPolicy = "stop" | "ignore" | "restart";

export interface ServiceGroupOptions extends ServiceOptions {
  /** Milliseconds that each service gets to become ready. @default Infinity */
  startTimeout?: number | undefined;
  /** Milliseconds that each service gets to stop; then it is left behind and named, and the next one is asked. @default Infinity */
  stopTimeout?: number | undefined;
  /** Asked what follows when a service ends or fails out of turn. @default () => "stop" */
  onEnd?: ((service: Service) => EndPolicy) | undefined;
  /** Milliseconds between the end of a service and its next start ("restart"). @default 1000 */
  restartDelay?: number | undefined;
}
