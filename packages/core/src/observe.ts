/** For tools that show what a program does: one list of observers per process, shared by every copy of this package. */
import { wrongType } from "./arguments.ts";
import type { CancellationToken } from "./cancellation-token.ts";
import type { CancelledError } from "./errors.ts";
import { reportTaskError } from "./report.ts";
import type { Task } from "./task.ts";
import type { TaskScope } from "./task-scope.ts";
import type { SpawnOptions } from "./types.ts";

/** Whoever owns a token: what a scope that is given the token hangs on. */
export type TokenOwner = Task<unknown> | TaskScope;

/**
 * What {@link observe} tells, and whom: each is called in the midst of what it tells of, if it is there. The scope of an owner that is
 * built on one speaks for that owner.
 */
export interface ScopeObserver {
  /**
   * `parent` owns the token that the scope was given, or is the owner of the nearest one above that; `kind` is its policy's,
   * "TaskScope" without one.
   */
  scopeOpened?(scope: TaskScope, parent: TokenOwner | undefined, kind: string): void;
  /** Not told of a scope that its owner never closes: that of a supervisor's attempts, which hangs below the supervisor's own. */
  scopeClosed?(scope: TaskScope): void;
  /** `options` as given to `spawn`; an owner that restarts adds how many predecessors the task has. */
  taskSpawned?(
    task: Task<unknown>,
    scope: TaskScope,
    options: (SpawnOptions & { readonly restarts?: number }) | undefined,
  ): void;
  /** Its function is called next. */
  taskStarted?(task: Task<unknown>): void;
  /** The synchronous part of its function has returned. */
  taskSuspended?(task: Task<unknown>): void;
  /** Once for each task, and each scope that was opened while somebody observed, that a cancellation reaches. */
  cancelRequested?(owner: TokenOwner, error: CancelledError): void;
  /** Its status and outcome are set; its owner and its listeners are told next. */
  taskDone?(task: Task<unknown>): void;
  /** Somebody begins to wait for its end. */
  awaited?(owner: TokenOwner): void;
  /** `sleep` begins, for so many milliseconds; `owner` as the parent above, of the token that it was given. */
  sleeping?(owner: TokenOwner | undefined, ms: number): void;
}

const KEY = /* @__PURE__ */ Symbol.for("@scope/observers");

const observers = /* @__PURE__ */ shared();

/**
 * Tells the observer of everything that happens in scopes and tasks of this process, from now on, until the function it returns
 * is called. For inspectors and tracers: an observer runs in the midst of what it observes, so it looks and does not
 * touch. What it throws goes to the process-wide handler.
 *
 * While anybody observes, a scope that is opened is kept by its outer token until it closes, even if it is dropped.
 *
 * Idea: trio's instruments; Kotlin's `DebugProbes`.
 *
 * @throws TypeError if `observer` is no object.
 *
 * @example
 * ```ts
 * const unobserve = observe({ taskDone: ({ name, status }) => console.log(name, status) });
 * ```
 */
export function observe(observer: ScopeObserver): () => void {
  if (Object(observer) !== observer) throw wrongType("observer", "an object", observer);
  const unobserve = (): void => {
    observers.delete(unobserve);
  };
  observers.set(unobserve, observer);
  return unobserve;
}

/**
 * Tells the observers. Arguments, and no event object: a task has four of these, each as short-lived as they come. Callers ask
 * {@link observed} first, which V8 inlines: `spawn` with all it calls then stays below what it inlines in one piece, 0.82x.
 */
export function emit<K extends keyof ScopeObserver>(
  what: K,
  ...details: Parameters<Required<ScopeObserver>[K]>
): void;
export function emit(what: keyof ScopeObserver, first: unknown, second?: unknown, third?: unknown): void {
  // Any of them may leave meanwhile.
  for (const observer of observers.values()) {
    try {
      (observer as Handlers)[what]?.(first, second, third);
    } catch (error) {
      reportTaskError({ message: "Error in an observer", error });
    }
  }
}

type Handlers = Record<string, ((first: unknown, second: unknown, third: unknown) => void) | undefined>;

/** Whether anybody observes. */
export function observed(): boolean {
  return observers.size > 0;
}

/** The owner of a token, or of the nearest one above it that is anybody's. */
export function ownerOf(token: CancellationToken | undefined): TokenOwner | undefined {
  while (token && !token._owner) token = token._parent;
  return token?._owner as TokenOwner | undefined;
}

/** By the function that ends the observation. */
function shared(): Map<() => void, ScopeObserver> {
  const host = globalThis as { [KEY]?: Map<() => void, ScopeObserver> | undefined };
  host[KEY] ??= new Map();
  return host[KEY];
}
