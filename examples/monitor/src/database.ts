/** The history as a table: in a file, by SQLite, or in a PostgreSQL; everything else says it once for both. */
import Database from "libsql";
import { type Generated, Kysely, PostgresDialect, SqliteDialect } from "kysely";
import pg from "pg";

/** A check, as it was recorded. */
export interface Check {
  readonly id: number;
  readonly target: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Milliseconds or percent; null if there was nothing to measure. */
  readonly value: number | null;
  /** What was wrong; null: nothing. */
  readonly failure: string | null;
  /** How many restarts of the probe in a row, after failures, have led to this check; 0: none. */
  readonly attempt: number;
}

interface Tables {
  monitor_checks: Omit<Check, "id"> & { readonly id: Generated<number> };
}

export type Tabular = Kysely<Tables>;

export function isPostgres(location: string): boolean {
  return /^postgres(ql)?:\/\//.test(location);
}

/** Rejects if there is no database to be had. `onIdleError` hears of connections that break while nobody uses them. */
export async function openDatabase(location: string, onIdleError: (error: Error) => void): Promise<Tabular> {
  const database = isPostgres(location) ? openPostgres(location, onIdleError) : openSqlite(location);
  try {
    await createTables(database, location);
  } catch (error) {
    await database.destroy();
    throw error;
  }
  return database;
}

function openSqlite(file: string): Tabular {
  const database = new Database(file);
  // A commit is in the log, and the log on the disk, before it is answered for; readers wait for no writer.
  for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "busy_timeout = 1000"]) {
    database.pragma(pragma);
  }
  return new Kysely({ dialect: new SqliteDialect({ database }) });
}

const int8: number = pg.types.builtins.INT8;
const defaultParser = pg.types.getTypeParser as (type: number, format?: string) => (text: string) => unknown;

/** Ids, times and counts stay far below 2 ** 53. */
const numbersForBigints: pg.CustomTypesConfig = {
  getTypeParser: (type: number, format?: string): ((text: string) => unknown) =>
    type === int8 ? Number : defaultParser(type, format),
};

function openPostgres(url: string, onIdleError: (error: Error) => void): Tabular {
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: 5_000,
    types: numbersForBigints,
  });
  pool.on("error", onIdleError);
  return new Kysely({ dialect: new PostgresDialect({ pool }) });
}

async function createTables(database: Tabular, location: string): Promise<void> {
  await database.schema
    .createTable("monitor_checks")
    .ifNotExists()
    .addColumn("id", isPostgres(location) ? "bigint" : "integer", (id) =>
      isPostgres(location) ? id.primaryKey().generatedAlwaysAsIdentity() : id.primaryKey().autoIncrement(),
    )
    .addColumn("target", "text", (target) => target.notNull())
    .addColumn("at", "bigint", (at) => at.notNull())
    .addColumn("value", "double precision")
    .addColumn("failure", "text")
    .addColumn("attempt", "integer", (attempt) => attempt.notNull())
    .execute();
  await database.schema
    .createIndex("monitor_checks_by_target")
    .ifNotExists()
    .on("monitor_checks")
    .columns(["target", "id"])
    .execute();
}
