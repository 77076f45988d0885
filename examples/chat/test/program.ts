/** Runs the program as a process, the way a user does; and the server in this process, with a log to look at. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { fileURLToPath, pathToFileURL } from "node:url";

import { pino } from "pino";
import { onTestFinished, vi } from "vitest";

import { ChatClient } from "../src/chat-client.ts";
import { ChatServer, type ChatServerOptions } from "../src/chat-server.ts";
import { makeHandler } from "../src/handlers.ts";

// Processes take their time when many start at once.
vi.setConfig({ testTimeout: 60_000 });

/** Resolves when the check passes. */
export function eventually(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 30_000, interval: 2 });
}

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export class Run {
  readonly process: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[]) {
    this.process = spawn(process.execPath, ["--conditions=@scope/source", "--import", tsx, main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    this.process.stdout!.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#ended = once(this.process, "close");
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  /** Resolves with its address when it serves. */
  async url(): Promise<string> {
    const found = () => /^chat: (http:.*)$/m.exec(this.stdout)?.[1];
    await eventually(() => {
      if (found() === undefined) throw new Error(`it does not serve: ${this.stderr}`);
    });
    return found()!;
  }

  get log(): LogLine[] {
    return parseLog(this.stderr);
  }

  /** Resolves with the exit code. */
  async ended(): Promise<number | null> {
    const [code] = (await this.#ended) as [number | null];
    return code;
  }
}

/** One line of the log, as far as the tests look at it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly task?: string;
  readonly err?: { readonly type: string; readonly message: string };
}

export function parseLog(text: string): LogLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** The TCP connection below. */
export function rawSocketOf(client: ChatClient): Socket {
  return Reflect.get(client.socket, "_socket") as Socket;
}

export interface Stage {
  readonly server: ChatServer;
  readonly log: readonly LogLine[];
  /** What was logged as a failure. */
  readonly failures: readonly LogLine[];
  connect(): Promise<ChatClient>;
}

/** A server that ends with the test. Its announcer says nothing unless the test wants it to. */
export async function openStage(options: Partial<ChatServerOptions> = {}): Promise<Stage> {
  const log: LogLine[] = [];
  const failures: LogLine[] = [];
  const write = (text: string): void => {
    const lines = parseLog(text);
    log.push(...lines);
    failures.push(...lines.filter(({ err }) => err !== undefined));
  };
  const server = await ChatServer.listen({
    host: "127.0.0.1",
    port: 0,
    handle: makeHandler({ bugs: true }),
    announcer: { every: Infinity, crashes: () => false, backoff: { initial: 10 } },
    drainTimeout: 10_000,
    logger: pino({ base: null }, { write }),
    ...options,
  });
  // A test of a drain that fails has seen to that itself.
  onTestFinished(() => server.drain().catch(() => undefined));
  return {
    server,
    log,
    failures,
    connect: () => ChatClient.connect(server.url),
  };
}
