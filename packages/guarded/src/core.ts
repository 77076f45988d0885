/** What this package uses of core, in one import: minified, every further import statement costs a list of names. */
export {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  Task,
  TaskScope,
  TimeoutError,
  backgroundSpawner,
  brand,
  checkDuration,
  checkFunction,
  isCancellation,
  reportTaskError,
  sleep,
  wrongType,
} from "@scope/core";
export type { ErrorPolicy, StopOptions, TaskErrorContext, TaskFunction, TokenLike } from "@scope/core";
