/** PostgreSQL for the tests: embedded, and a server. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { hasPostgres, usePostgres } from "@scope/test-utils/node";
import { type Logger, pino } from "pino";
import { afterAll, beforeAll, onTestFinished } from "vitest";

import { type Database, openDatabase } from "../src/database.ts";
import { newDirectory } from "./program.ts";

export const silent: Logger = pino({ level: "silent" });

/** Whether there can be a real server. */
export const hasServer = hasPostgres();

/** Makes directories with an empty embedded database: copies of one, since it takes long to make. */
export function useDirectories(): () => Promise<string> {
  let original = "";
  beforeAll(async () => {
    original = mkdtempSync(path.join(tmpdir(), "outbox-template-"));
    const database = await openDatabase({ directory: path.join(original, "data") }, silent);
    await database[Symbol.asyncDispose]();
  });
  afterAll(() => {
    rmSync(original, { recursive: true, force: true });
  });
  return async () => {
    const directory = await newDirectory();
    cpSync(path.join(original, "data"), directory, { recursive: true });
    return directory;
  };
}

/** A connection to it that ends with the test. */
export async function connect(url: string): Promise<Database> {
  const database = await openDatabase({ url }, silent);
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database;
}

/** Resolves with an empty database; the embedded one is the same for all tests of a file, since it takes long to start. */
export function useDatabases(): readonly (readonly [name: string, open: () => Promise<Database>])[] {
  let memory: Database | undefined;
  afterAll(() => memory?.[Symbol.asyncDispose]());
  const embedded = async (): Promise<Database> => {
    memory ??= await openDatabase("memory", silent);
    await memory.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    return memory;
  };
  if (!hasServer) return [["embedded", embedded]];
  const server = usePostgres();
  return [
    ["embedded", embedded],
    ["a server", async () => connect(await server.createDatabase())],
  ];
}
