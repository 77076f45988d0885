/**
 * A PostgreSQL for tests. It is the server of `TEST_DATABASE_URL`; or else a cluster of our own, if its programs are
 * installed; or else the server of `DATABASE_URL`.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  accessSync,
  chownSync,
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

import { afterAll, beforeAll } from "vitest";

/** A server that exists, or the directory of the programs that start one. */
function findServer(): { readonly url: string } | { readonly bin: string } | undefined {
  const { TEST_DATABASE_URL: chosen = "", DATABASE_URL: given = "" } = process.env;
  if (chosen !== "") return { url: chosen };
  const bin = findPrograms();
  if (bin !== undefined) return { bin };
  return given === "" ? undefined : { url: given };
}

/** Debian and others keep the programs where not everybody sees them. */
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

/** A cluster in a directory of its own, which listens to a socket in there alone. */
class Cluster {
  readonly #directory: string;
  readonly #server: ChildProcess;
  readonly #killWithUs = (): void => void this.#server.kill("SIGQUIT");

  static async start(bin: string): Promise<Cluster> {
    const user = unprivileged();
    const directory = mkdtempSync(path.join(tmpdir(), "scope-pg-"));
    if (user.uid !== undefined) chownSync(directory, user.uid, user.gid ?? user.uid);
    const surroundings = { ...user, cwd: directory, env: { ...process.env, LC_ALL: "C" } };
    const data = path.join(directory, "data");
    const initdb = ["-D", data, "-U", "scope", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    execFileSync(path.join(bin, "initdb"), initdb, { ...surroundings, stdio: ["ignore", "ignore", "pipe"] });
    const settings = ["-c", "listen_addresses=", "-c", "fsync=off"];
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

  get url(): string {
    return `postgresql://scope@localhost/postgres?host=${encodeURIComponent(this.#directory)}`;
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

/** Whether there can be a server. Throws if there can be none and `REQUIRE_POSTGRES` is set. */
export function hasPostgres(): boolean {
  if (findServer() !== undefined) return true;
  if (process.env["REQUIRE_POSTGRES"] === undefined) return false;
  throw new Error(
    "REQUIRE_POSTGRES is set, but there are neither initdb and postgres nor a TEST_DATABASE_URL or DATABASE_URL",
  );
}

export interface Postgres {
  /** Makes a new database, and resolves with its URL. */
  createDatabase(): Promise<string>;
  /** Everybody is disconnected, and the databases are gone. */
  stop(): Promise<void>;
}

/** A server for the tests of this file. */
export function usePostgres(): Postgres {
  let cluster: Cluster | undefined;
  let url = "";
  const names: string[] = [];
  let made = 0;
  const administrate = async (sql: string): Promise<void> => {
    const { default: pg } = await import("pg");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  const stop = async (): Promise<void> => {
    const known = names.splice(0);
    if (cluster !== undefined) await cluster.stop();
    else for (const name of known) await administrate(`DROP DATABASE ${name} WITH (FORCE)`);
  };
  beforeAll(async () => {
    const server = findServer();
    if (server === undefined) throw new Error("there is no PostgreSQL");
    if ("bin" in server) cluster = await Cluster.start(server.bin);
    url = "url" in server ? server.url : cluster!.url;
  }, 60_000);
  afterAll(stop);
  return {
    stop,
    createDatabase: async () => {
      const name = `scope_test_${process.pid}_${++made}`;
      await administrate(`CREATE DATABASE ${name}`);
      names.push(name);
      const place = new URL(url);
      place.pathname = `/${name}`;
      return place.href;
    },
  };
}
