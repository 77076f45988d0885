/** Runs the program as a process, the way a user does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { onTestFinished, vi } from "vitest";

import { LoopbackWebhook, type Manner, type Receipt } from "../src/loopback.ts";

// Processes take their time when many start at once.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** Resolves when the check passes. */
export function eventually(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 60_000, interval: 5 });
}

const source = fileURLToPath(new URL("../src", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** The words of a command that runs the program. */
export function command(args: readonly string[], program = "main.ts"): string[] {
  return [
    process.execPath,
    "--conditions=@scope/source",
    "--import",
    tsx,
    path.join(source, program),
    ...args,
  ];
}

export interface RunSettings {
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another command than the program. */
  readonly words?: readonly string[];
  readonly stdin?: "ignore" | "pipe";
}

export class Run {
  readonly process: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  stdout = "";
  stderr = "";

  constructor(
    args: readonly string[],
    { program, env = {}, words = command(args, program), stdin = "ignore" }: RunSettings = {},
  ) {
    const [file, ...rest] = words;
    const inherited = { ...process.env };
    delete inherited["DATABASE_URL"];
    this.process = spawn(file!, rest, {
      stdio: [stdin, "pipe", "pipe"],
      env: { ...inherited, NODE_OPTIONS: "", ...env },
    });
    this.process.stdout!.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#closed = once(this.process, "close");
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Resolves when the text is on its standard output. */
  async says(text: string): Promise<void> {
    await eventually(() => {
      if (!this.stdout.includes(text))
        throw new Error(`it does not say ${text}: ${this.stdout}${this.stderr}`);
    });
  }

  /** Resolves with the first line of the log with this message, once it is there. */
  async logs(message: string): Promise<LogLine> {
    return (await eventually(() => {
      const line = this.log.find(({ msg }) => msg.includes(message));
      if (line === undefined) throw new Error(`it does not log ${message}: ${this.stderr}`);
      return line;
    })) as LogLine;
  }

  /** The complete lines of it. */
  get log(): LogLine[] {
    return parseLog(this.stderr);
  }

  /** Resolves with the exit code, or the signal, when it has ended and everything is read. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const [code, signal] = (await this.#closed) as [number | null, NodeJS.Signals | null];
    return code ?? signal;
  }
}

/** One line of the log, as far as the tests look at it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly key?: string;
  readonly attempt?: number;
  readonly problem?: string;
  readonly retryIn?: number;
  readonly delivered?: number;
  readonly waiting?: number;
}

export function parseLog(text: string): LogLine[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}

/** Names a directory that does not exist, in one that disappears with the test. */
export async function newDirectory(): Promise<string> {
  const parent = await mkdtemp(path.join(tmpdir(), "outbox-test-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return path.join(parent, "data");
}

/** A webhook that ends with the test. */
export async function openWebhook(manner?: Manner): Promise<LoopbackWebhook> {
  const webhook = await LoopbackWebhook.listen(manner);
  onTestFinished(() => webhook[Symbol.asyncDispose]());
  return webhook;
}

/** The rows of each key, in the order in which they arrived first, as `event` or `number` of their bodies. */
export function firstArrivals(accepted: readonly Receipt[]): Record<string, unknown[]> {
  const seen = new Set<string>();
  const arrivals: Record<string, unknown[]> = {};
  for (const { id, key, body } of accepted) {
    if (seen.has(id)) continue;
    seen.add(id);
    const { event, number } = body as { event?: string; number?: number };
    (arrivals[key] ??= []).push(event ?? number);
  }
  return arrivals;
}

/** What `firstArrivals` is when each of so many orders has been delivered completely, and in order. */
export function allOrders(orders: number): Record<string, unknown[]> {
  return Object.fromEntries(
    Array.from({ length: orders }, (_, index) => [`order-${index + 1}`, ["placed", "paid", "shipped"]]),
  );
}

/** Numbers from 0 up to 1 that are always the same for a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
