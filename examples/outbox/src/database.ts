import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";

import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import type { Logger } from "pino";

import type { Options } from "./arguments.ts";
import { reserve } from "./reservation.ts";

/** Runs one statement, and resolves with its rows. */
export type Query = <Row>(sql: string, parameters?: readonly unknown[]) => Promise<Row[]>;

/** What the program needs of PostgreSQL, embedded or not. */
export interface Database extends AsyncDisposable {
  readonly query: Query;
  /** Several statements, without parameters. */
  execute(sql: string): Promise<void>;
  /** Commits when the body has ended, rolls back when it has thrown. */
  transaction<R>(body: (query: Query) => Promise<R>): Promise<R>;
}

export async function openDatabase(where: Options["database"], logger: Logger): Promise<Database> {
  if (where === "memory") return embedded(await PGlite.create());
  if ("url" in where) return server(where.url, logger);
  // Two that write to one directory would ruin it, and PGlite does not look.
  await mkdir(path.dirname(path.resolve(where.directory)), { recursive: true });
  const reservation = await reserve(where.directory);
  try {
    return embedded(await openDirectory(where.directory), reservation);
  } catch (error) {
    await reservation[Symbol.asyncDispose]();
    throw error;
  }
}

/** A new directory gets its name when it is complete: one that a killed process has left half made would never open again. */
async function openDirectory(directory: string): Promise<PGlite> {
  if (!existsSync(directory)) {
    const draft = `${path.resolve(directory)}.new`;
    await rm(draft, { recursive: true, force: true });
    const made = await PGlite.create(draft);
    await made.close();
    await rename(draft, directory);
  }
  return PGlite.create(directory);
}

function embedded(database: PGlite, reservation?: AsyncDisposable): Database {
  const queryOf =
    (connection: Pick<PGlite, "query">): Query =>
    async <Row>(sql: string, parameters: readonly unknown[] = []) =>
      (await connection.query<Row>(sql, [...parameters])).rows;
  return {
    query: queryOf(database),
    execute: async (sql) => {
      await database.exec(sql);
    },
    transaction: (body) => database.transaction((connection) => body(queryOf(connection))),
    [Symbol.asyncDispose]: async () => {
      await database.close();
      await reservation?.[Symbol.asyncDispose]();
    },
  };
}

function server(url: string, logger: Logger): Database {
  const pool = new pg.Pool({ connectionString: url, application_name: "outbox" });
  // The next query will tell, and that is soon.
  pool.on("error", (error) => {
    logger.warn({ err: error }, "a connection to the database is gone");
  });
  const queryOf =
    (connection: Pick<pg.Pool, "query">): Query =>
    async <Row>(sql: string, parameters: readonly unknown[] = []) =>
      (await connection.query(sql, [...parameters])).rows as Row[];
  return {
    query: queryOf(pool),
    execute: async (sql) => {
      await pool.query(sql);
    },
    transaction: async (body) => {
      const client = await pool.connect();
      let failure: Error | undefined;
      try {
        await client.query("BEGIN");
        const result = await body(queryOf(client));
        await client.query("COMMIT");
        return result;
      } catch (error) {
        // A connection in an unknown state is closed instead of used again, and that rolls back.
        failure = error as Error;
        throw error;
      } finally {
        client.release(failure);
      }
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
