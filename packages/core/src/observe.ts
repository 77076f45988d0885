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

/** What happened, and to whom. The scope of an owner that is built on one speaks for that owner. */
export type ScopeEvent =
  /** `parent`: the owner of the token that the scope was given, or of the nearest one above it that has an owner. */
  | { readonly type: "scope-opened"; readonly scope: TaskScope; readonly parent: TokenOwner | undefined }
  | { readonly type: "scope-closed"; readonly scope: TaskScope }
  | {
      readonly type: "task-spawned";
      readonly task: Task<unknown>;
      readonly scope: TaskScope;
      /** As given to `spawn`. An owner that restarts adds how many predecessors the task has. */
      readonly options: (SpawnOptions & { readonly restarts?: number }) | undefined;
    }
  /** Its function is called next. */
  | { readonly type: "task-started"; readonly task: Task<unknown> }
  /** The synchronous part of its function has returned. */
  | { readonly type: "task-suspended"; readonly task: Task<unknown> }
  | { readonly type: "cancel-requested"; readonly owner: TokenOwner; readonly error: CancelledError }
  /** Its status and outcome are set; its owner and its listeners are told next. */
  | { readonly type: "task-done"; readonly task: Task<unknown> }
  /** Somebody begins to wait for its end. */
  | { readonly type: "awaited"; readonly owner: TokenOwner }
  /** `sleep` begins, for so many milliseconds; `owner` as the parent above, of the token that it was given. */
  | { readonly type: "sleeping"; readonly owner: TokenOwner | undefined; readonly ms: number };

export type ScopeObserver = (event: ScopeEvent) => void;

const KEY = /* @__PURE__ */ Symbol.for("@scope/observers");

const observers = /* @__PURE__ */ shared();

/**
 * Calls back with everything that happens in scopes and tasks of this process, from now on, until the function it returns
 * is called. For inspectors and tracers: an observer runs in the midst of what it observes, so it looks and does not
 * touch. What it throws goes to the process-wide handler.
 *
 * While anybody observes, a scope that is opened is kept by its outer token until it closes, even if it is dropped.
 *
 * Idea: trio's instruments; Kotlin's `DebugProbes`.
 *
 * @throws TypeError if `observer` is not a function.
 *
 * @example
 * ```ts
 * const unobserve = observe((event) => console.log(event.type));
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

/** Tells the observers. Whoever calls asks first whether there are any: an event that nobody sees is not to be made. */
export function emit(event: ScopeEvent): void {
  // From the end, so that one may leave meanwhile.
  for (let index = observers.length; index-- > 0;) {
    try {
      observers[index]?.(event);
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
  while (token && !token._owner) token = token._parent;
  return token?._owner as TokenOwner | undefined;
}

function shared(): ScopeObserver[] {
  const host = globalThis as { [KEY]?: ScopeObserver[] | undefined };
  host[KEY] ??= [];
  return host[KEY];
}
