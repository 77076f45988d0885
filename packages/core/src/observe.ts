/** For tools that show what a program does: one list of observers per process, shared by every copy of this package. */
import { checkFunction } from "./arguments.ts";
import type { CancellationToken } from "./cancellation-token.ts";
import type { CancelledError } from "./errors.ts";
import { reportTaskError } from "./report.ts";
import type { Task } from "./task.ts";
import type { TaskScope } from "./task-scope.ts";
import type { SpawnOptions } from "./types.ts";

/** Whoever owns a token: what a scope that is given the token hangs on. */
export type TokenOwner = Task<unknown> | TaskScope;

/** What happened, to whom, and more about it: the arguments that an observer is called with. */
export type ScopeEvent =
  /** `parent`: whose token the scope was given, or a token below it. */
  | [type: "scope-opened", scope: TaskScope, parent: TokenOwner | undefined]
  | [type: "scope-closed", scope: TaskScope]
  | [type: "task-spawned", task: Task<unknown>, scope: TaskScope, options: SpawnOptions | undefined]
  /** The function is called next. */
  | [type: "task-started", task: Task<unknown>]
  /** The synchronous part of the function has returned. */
  | [type: "task-suspended", task: Task<unknown>]
  | [type: "cancel-requested", owner: TokenOwner, error: CancelledError]
  /** Its state and outcome are set; its owner and its listeners are told next. */
  | [type: "task-done", task: Task<unknown>]
  /** Somebody begins to wait for its end. */
  | [type: "awaited", awaited: TokenOwner]
  /** `sleep` has begun, with the token of `owner` or one below it. */
  | [type: "sleeping", owner: TokenOwner | undefined, ms: number];

export type ScopeObserver = (...event: ScopeEvent) => void;

const KEY = /* @__PURE__ */ Symbol.for("@scope/observers");

const observers = /* @__PURE__ */ shared();

/**
 * Calls back with everything that happens in scopes and tasks of this process, from now on, until the function it returns
 * is called. For inspectors and tracers: an observer runs in the midst of what it observes, so it looks and does not
 * touch. What it throws goes to the process-wide handler. The scope of an owner that is built on one speaks for that owner.
 *
 * While anybody observes, a scope that is opened is kept by its outer token until it closes, even if it is dropped.
 *
 * Idea: trio's instruments; Kotlin's `DebugProbes`.
 *
 * @throws TypeError if `observer` is not a function.
 *
 * @example
 * ```ts
 * const unobserve = observe((type, subject) => console.log(type, String(subject)));
 * ```
 */
export function observe(observer: ScopeObserver): () => void {
  checkFunction("observer", observer);
  observers.push(observer);
  let observing = true;
  return () => {
    if (observing) observers.splice(observers.indexOf(observer), 1);
    observing = false;
  };
}

/** Tells the observers. Arguments, and no event object: a task has five of them. */
export function emit(...event: ScopeEvent): void;
export function emit(type: string, subject: unknown, third?: unknown, fourth?: unknown): void {
  // From the end, so that one may leave meanwhile.
  for (let index = observers.length; index-- > 0;) {
    try {
      (observers as ((...event: unknown[]) => void)[])[index]?.(type, subject, third, fourth);
    } catch (error) {
      reportTaskError({ message: "Error in an observer", error });
    }
  }
}

/** Whether anybody observes. */
export function observed(): boolean {
  return observers.length > 0;
}

/** The owner of a token, or of the nearest one above it that is anybody's. */
export function ownerOf(token: CancellationToken | undefined): TokenOwner | undefined {
  while (token !== undefined && token._owner === undefined) token = token._parent;
  return token?._owner as TokenOwner | undefined;
}

function shared(): ScopeObserver[] {
  return ((globalThis as { [KEY]?: ScopeObserver[] })[KEY] ??= []);
}
