/**
 * Owners whose children go on when one fails, and that restart those that should always be there; and the combinators
 * `asCompleted`, `gather` and `race`, whose losers are cancelled and waited for.
 *
 * @packageDocumentation
 */
export { Supervisor } from "./supervisor.ts";
export { RestartLimitError } from "./restart-limit-error.ts";

export { asCompleted } from "./as-completed.ts";
export { gather } from "./gather.ts";
export { race } from "./race.ts";

export type {
  Backoff,
  Child,
  ChildContext,
  ChildFunction,
  ChildSpec,
  RestartPolicy,
  Strategy,
  SupervisorEvent,
  SupervisorOptions,
} from "./types.ts";
export type { CompletedTasks } from "./as-completed.ts";
export type { Gathered } from "./gather.ts";
export type { RaceOptions, RaceResult } from "./race.ts";
