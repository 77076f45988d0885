import type { CancellationToken, Task, TaskScopeOptions } from "@scope/core";

/** Which children are restarted with one that needs it: itself, all of them, or itself and those supervised after it. */
export type Strategy = "one-for-one" | "one-for-all" | "rest-for-one";

/** When a child is restarted: always, after a failure, or never. */
export type RestartPolicy = "permanent" | "transient" | "temporary";

/** What a supervised function is handed beside its token. */
export interface ChildContext {
  /** Says that the child is ready: the next one starts only then. */
  ready: () => void;
}

/**
 * The work of a supervised child, called anew for every attempt. One that takes the second parameter says itself when
 * it is ready; another is ready as soon as it has been called.
 */
export type ChildFunction = (token: CancellationToken, context: ChildContext) => unknown;

/** How long to wait before a restart: `initial * factor ** n` milliseconds, at most `max`, shaken by `jitter`. */
export interface Backoff {
  /** Milliseconds before the first restart. */
  initial: number;
  /** Milliseconds at the most. @default Infinity */
  max?: number | undefined;
  /** By how much each wait is longer than the one before; at least 1. @default 2 */
  factor?: number | undefined;
  /** The fraction, 0 to 1, by which a wait is made longer or shorter at random. @default 0 */
  jitter?: number | undefined;
}

export interface ChildSpec {
  /** Unique among the children of the supervisor; shown in messages and events. */
  name: string;
  /** @default "permanent" */
  restart?: RestartPolicy | undefined;
  /** @default no wait */
  backoff?: Backoff | undefined;
  /** Milliseconds that the child gets to stop before the next one is asked. It is waited for all the same. @default Infinity */
  stopTimeout?: number | undefined;
  /** Whether the supervisor stops when this child has ended for good by itself. @default false */
  significant?: boolean | undefined;
}

/** A supervised child: the handle stays the same over restarts. */
export interface Child {
  readonly name: string;
  /** "backing-off": it is to be started, after a delay or after earlier children. "stopped" and "failed": ended for good. */
  readonly status: "running" | "backing-off" | "stopped" | "failed";
  /** How often it was restarted; by hand does not count. */
  readonly restarts: number;
  /** The attempt that is running. Cancelling it ends that attempt: a permanent child starts again. */
  readonly task: Task<void> | undefined;
  /**
   * Ends it for good, and waits for that; during a back-off the wait ends at once.
   *
   * Rejects with `TimeoutError` when its `stopTimeout` has passed; it has been asked, and will not be restarted.
   */
  stop(): Promise<void>;
  /**
   * Stops it if it runs, and starts it at once: no back-off, not counted, also when it had ended for good. Resolves when it
   * is ready, or has ended before that.
   *
   * Rejects with `InvalidStateError` if the supervisor is shutting down or closed.
   */
  restart(): Promise<void>;
}

/** What happened to a child. `error`: of "failed" and "gave-up". `delay`: of "restarting", in milliseconds. */
export interface SupervisorEvent {
  type: "started" | "ready" | "failed" | "restarting" | "stopped" | "gave-up";
  child: Child;
  error?: unknown;
  delay?: number;
}

export interface SupervisorOptions extends TaskScopeOptions {
  /** @default "one-for-one" */
  strategy?: Strategy | undefined;
  /** More restarts than this within `withinMs`, of all children together, and the supervisor gives up. @default 3 */
  maxRestarts?: number | undefined;
  /** Milliseconds. Time spent stopping children does not count. @default 5000 */
  withinMs?: number | undefined;
  /** Told of every transition of every supervised child, in a microtask, in order. */
  onEvent?: ((event: SupervisorEvent) => void) | undefined;
}
