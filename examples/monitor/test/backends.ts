/** The databases that the history can be tried in: SQLite always, and a PostgreSQL if one is to be had. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import pg from "pg";
import { afterAll, vi } from "vitest";

import { makeDirectory } from "./program.ts";

export interface Backend {
  readonly name: string;
  /** Resolves with the place of a new, empty database. */
  create(): Promise<string>;
}

interface Server {
  /** Of the database that others are created in. */
  readonly url: string;
  stop(): Promise<void>;
}

/** As whom a process runs; empty: as whom this one does. */
interface Ids {
  readonly uid?: number;
  readonly gid?: number;
}

const debian = "/usr/lib/postgresql";
const binaries = [
  ...(existsSync(debian) ? readdirSync(debian).map((version) => path.join(debian, version, "bin")) : []),
  ...(process.env["PATH"] ?? "").split(path.delimiter),
].find((directory) => ["initdb", "postgres"].every((name) => existsSync(path.join(directory, name))));

/** PostgreSQL refuses to run as root. */
const user: Ids | undefined = process.getuid?.() === 0 ? idsOf("postgres") : {};

const given = process.env["TEST_DATABASE_URL"];
const hasPostgres = given !== undefined || (binaries !== undefined && user !== undefined);

let server: Promise<Server> | undefined;
let created = 0;

afterAll(async () => {
  await (await server)?.stop();
});

export const backends: readonly Backend[] = [
  { name: "SQLite", create: async () => path.join(await makeDirectory(), "monitor.db") },
  ...(hasPostgres ? [{ name: "PostgreSQL", create: createInPostgres }] : []),
];

async function createInPostgres(): Promise<string> {
  server ??= given === undefined ? startPostgres() : Promise.resolve({ url: given, stop: async () => {} });
  const { url } = await server;
  const name = `monitor_${process.pid}_${++created}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  const place = new URL(url);
  place.pathname = `/${name}`;
  return place.href;
}

/** A PostgreSQL of its own, in a temporary directory, which is reached by a socket there. */
async function startPostgres(): Promise<Server> {
  const directory = mkdtempSync(path.join(tmpdir(), "monitor-pg-"));
  if (user?.uid !== undefined && user.gid !== undefined) chownSync(directory, user.uid, user.gid);
  const data = path.join(directory, "data");
  const run = { ...user, cwd: directory, stdio: "ignore" as const };
  const initialise = [
    "-D",
    data,
    "-U",
    "monitor",
    "--auth=trust",
    "--no-sync",
    "--encoding=UTF8",
    "--locale=C",
  ];
  execFileSync(path.join(binaries!, "initdb"), initialise, run);
  const child: ChildProcess = spawn(
    path.join(binaries!, "postgres"),
    ["-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off"],
    run,
  );
  const ended = once(child, "exit");
  const url = `postgres://monitor@localhost/postgres?host=${encodeURIComponent(directory)}`;
  await vi.waitFor(
    async () => {
      const client = new pg.Client({ connectionString: url });
      try {
        await client.connect();
      } finally {
        await client.end();
      }
    },
    { timeout: 30_000, interval: 50 },
  );
  return {
    url,
    stop: async () => {
      // Fast shutdown: clients are disconnected.
      child.kill("SIGINT");
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}

function idsOf(name: string): Ids | undefined {
  const [uid, gid] = ["-u", "-g"].map((option) => {
    const { status, stdout } = spawnSync("id", [option, name], { encoding: "utf8" });
    return status === 0 ? Number(stdout) : undefined;
  });
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
