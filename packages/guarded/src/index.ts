/**
 * Background tasks that cannot fail in silence, and an orderly main.
 *
 * @packageDocumentation
 */
export { backgroundTasks, spawn, stopBackgroundTasks } from "./background.ts";
export { exitOnError, spawnGuarded } from "./guard.ts";
export { runMain } from "./run-main.ts";
export { ExitError, SafeExitError } from "./errors.ts";

export type { BackgroundOptions } from "./background.ts";
export type { EndingOptions, Logger } from "./ending.ts";
export type { GuardOptions } from "./guard.ts";
export type { MainOptions } from "./run-main.ts";
