/** The databases that the history can be tried in: SQLite always, and a PostgreSQL if one is to be had. */
import path from "node:path";

import { hasPostgres, temporaryDirectory, usePostgres } from "@scope/test-utils/node";

export interface Backend {
  readonly name: string;
  /** Resolves with the place of a new, empty database. */
  create(): Promise<string>;
}

export const backends: readonly Backend[] = [
  { name: "SQLite", create: async () => path.join(await temporaryDirectory(), "monitor.db") },
  ...(hasPostgres() ? [{ name: "PostgreSQL", create: usePostgres().createDatabase }] : []),
];
