/** Helpers for tests that run on Node alone: of programs as processes, with a PostgreSQL, with a Chromium. */
export { openPage, pixelsOf } from "./page.ts";
export { hasPostgres, usePostgres } from "./postgres.ts";
export type { Postgres } from "./postgres.ts";
export {
  Program,
  command,
  eventually,
  expectUsageError,
  jsonLines,
  temporaryDirectory,
  tsx,
} from "./program.ts";
export type { Exit, ProgramSettings, Result } from "./program.ts";
