/**
 * Structured concurrency for TypeScript: the cancellation token, the task, the task scope.
 *
 * @packageDocumentation
 */
export { CancellationSource, tie } from "./cancellation-source.ts";
export { CancellationToken } from "./cancellation-token.ts";
export { sleep } from "./sleep.ts";

export { Task } from "./task.ts";
export { backgroundSpawner } from "./background.ts";
export { cancelAndWait } from "./cancel-and-wait.ts";

export { TaskScope } from "./task-scope.ts";
export { failAfter, moveOnAfter } from "./deadline.ts";

export { CancelledError, FatalError, InvalidStateError, TimeoutError, isCancellation } from "./errors.ts";
export { TaskGroupError } from "./task-group-error.ts";
export { reportTaskError, setTaskErrorHandler } from "./report.ts";
export { setDebug } from "./debug.ts";
export { observe } from "./observe.ts";

// For packages built on this one.
export { brand, readable } from "./brand.ts";
export { checkCount, checkDuration, checkFunction, wrongType } from "./arguments.ts";

export type {
  CancelSource,
  ErrorPolicy,
  ScopeOptions,
  ScopePolicy,
  SpawnOptions,
  StopOptions,
  TaskErrorContext,
  TaskFunction,
  TaskScopeOptions,
  TaskSpawner,
  TaskStatus,
  TokenLike,
} from "./types.ts";
export type { TaskErrorHandler } from "./report.ts";
export type { ScopeObserver, TokenOwner } from "./observe.ts";
