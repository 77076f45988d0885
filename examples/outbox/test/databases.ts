/** PostgreSQL for the tests: embedded, and a server of our own, or, without its programs, the one of DATABASE_URL. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  accessSync,
  chownSync,
  cpSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import { afterAll, beforeAll, onTestFinished } from "vitest";
import { type Logger, pino } from "pino";

import { type Database, openDatabase } from "../src/database.ts";
import { newDirectory } from "./program.ts";

export const silent: Logger = pino({ level: "silent" });

/** Where Debian and others keep the programs that are not for everybody. */
function findPrograms(): string | undefined {
  const versions = "/usr/lib/postgresql";
  const debian = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [
    ...(process.env["PATH"] ?? "").split(path.delimiter),
    ...debian.map((version) => path.join(versions, version, "bin")),
  ];
  return places.find((place) => ["initdb", "postgres"].every((name) => canRun(path.join(place, name))));
}

function canRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The server refuses to run as root. */
function unprivileged(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync("/etc/passwd", "utf8");
  const [, uid, gid] =
    /^postgres:[^:]*:(\d+):(\d+)/m.exec(users) ?? /^nobody:[^:]*:(\d+):(\d+)/m.exec(users) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

const programs = findPrograms();
const given = process.env["DATABASE_URL"] ?? "";

if (process.env["REQUIRE_POSTGRES"] !== undefined && programs === undefined && given === "") {
  throw new Error("REQUIRE_POSTGRES is set, but there are neither initdb and postgres nor a DATABASE_URL");
}

/** Whether there can be a real server. */
export const hasServer = programs !== undefined || given !== "";

/** A cluster in a directory of its own, which listens to a socket in there alone. */
class Cluster {
  readonly #directory: string;
  readonly #server: ChildProcess;
  readonly #killWithUs = (): void => void this.#server.kill("SIGQUIT");

  static async start(bin: string): Promise<Cluster> {
    const user = unprivileged();
    const directory = mkdtempSync(path.join(tmpdir(), "outbox-pg-"));
    if (user.uid !== undefined) chownSync(directory, user.uid, user.gid ?? user.uid);
    const surroundings = { ...user, cwd: directory, env: { ...process.env, LC_ALL: "C" } };
    const data = path.join(directory, "data");
    const initdb = ["-D", data, "-U", "outbox", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    execFileSync(path.join(bin, "initdb"), initdb, { ...surroundings, stdio: ["ignore", "ignore", "pipe"] });
    const settings = ["listen_addresses=", "fsync=off", "max_connections=100"].flatMap((text) => [
      "-c",
      text,
    ]);
    const server = spawn(path.join(bin, "postgres"), ["-D", data, "-k", directory, ...settings], {
      ...surroundings,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const cluster = new Cluster(directory, server);
    const said: string[] = [];
    for await (const line of createInterface(server.stderr)) {
      said.push(line);
      if (line.includes("ready to accept connections")) {
        server.stderr.resume();
        return cluster;
      }
    }
    throw new Error(`postgres does not start:\n${said.join("\n")}`);
  }

  private constructor(directory: string, server: ChildProcess) {
    this.#directory = directory;
    this.#server = server;
    process.once("exit", this.#killWithUs);
  }

  url(database: string): string {
    return `postgresql://outbox@localhost/${database}?host=${encodeURIComponent(this.#directory)}`;
  }

  async stop(): Promise<void> {
    process.off("exit", this.#killWithUs);
    if (this.#server.exitCode === null) {
      const exited = once(this.#server, "exit");
      // The quick way of an orderly end, which disconnects everybody.
      this.#server.kill("SIGINT");
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface Server {
  /** Makes a new database, and resolves with its URL. */
  createDatabase(): Promise<string>;
  /** Takes it away, with everybody who is connected. */
  dropDatabase(url: string): Promise<void>;
}

/** A server for the tests of this file. */
export function useServer(): Server {
  let cluster: Cluster | undefined;
  const urlOf = (name: string): string => {
    if (cluster !== undefined) return cluster.url(name);
    const url = new URL(given);
    url.pathname = name;
    return url.href;
  };
  const administrate = async (sql: string): Promise<void> => {
    await using database = await openDatabase(
      { url: given === "" || cluster ? urlOf("postgres") : given },
      silent,
    );
    await database.execute(sql);
  };
  const drop = (name: string): Promise<void> => administrate(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  const names: string[] = [];
  beforeAll(async () => {
    if (programs !== undefined) cluster = await Cluster.start(programs);
  });
  afterAll(async () => {
    if (cluster !== undefined) await cluster.stop();
    else for (const name of names) await drop(name);
  });
  return {
    createDatabase: async () => {
      const name = `outbox_test_${randomUUID().replaceAll("-", "")}`;
      await administrate(`CREATE DATABASE ${name}`);
      names.push(name);
      return urlOf(name);
    },
    dropDatabase: (url) => drop(new URL(url).pathname.slice(1)),
  };
}

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
  const server = useServer();
  return [
    ["embedded", embedded],
    ["a server", async () => connect(await server.createDatabase())],
  ];
}
