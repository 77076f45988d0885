/**
 * Background tasks that cannot fail in silence, and an orderly main.
 *
 * @packageDocumentation
 */
export { backgroundTasks, spawn, stopBackgroundTasks } from "./background.ts";
export { exitOnError, spawnGuarded } from "./guard.ts";
export { runMain } from "./run-main.ts";
export { ExitError, SafeExitError } from "./errors.ts";

export type { BackgroundOptions, EndingOptions, GuardOptions, Logger, MainOptions } from "./types.ts";
