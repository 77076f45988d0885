import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { expect, onTestFinished, vi } from "vitest";

// Processes take their time when many start at once.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** Resolves with what the check returns, as soon as it does not throw. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 60_000, interval: 2 });
}

/** An empty directory that disappears with the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "scope-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** With these options Node runs TypeScript. */
export const tsx: readonly string[] = [
  "--import",
  pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href,
];

/** The words of a command that runs a program on the sources of the packages. */
export function command(program: string, args: readonly string[] = []): string[] {
  return [process.execPath, "--conditions=@scope/source", ...tsx, program, ...args];
}

export interface ProgramSettings {
  readonly cwd?: string;
  /** In addition to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: "ignore" | "pipe";
  /** Of standard output: "latin1" is a character for each byte. */
  readonly encoding?: BufferEncoding;
  /** As which user and group it runs; for those who may choose. */
  readonly uid?: number;
  readonly gid?: number;
  /** Nobody reads standard output until `ended` or `finished` is called: soon the program has to wait. */
  readonly unread?: boolean;
}

/** The exit code, or the signal that has ended it. */
export type Exit = number | NodeJS.Signals | null;

export interface Result {
  readonly code: Exit;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process, as a user starts it. It ends with the test. */
export class Program {
  readonly process: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #encoding: BufferEncoding;
  #reading = false;
  stdout = "";
  stderr = "";

  constructor(
    words: readonly string[],
    { env, stdin = "ignore", encoding = "utf8", unread = false, ...settings }: ProgramSettings = {},
  ) {
    const [file, ...args] = words;
    this.process = spawn(file!, args, {
      ...settings,
      stdio: [stdin, "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", ...env },
    });
    this.#encoding = encoding;
    if (!unread) this.#read();
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#closed = once(this.process, "close");
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.process.stdout!.setEncoding(this.#encoding).on("data", (text: string) => (this.stdout += text));
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  get running(): boolean {
    return this.#exit === null;
  }

  get #exit(): Exit {
    return this.process.exitCode ?? this.process.signalCode;
  }

  /** The lines of standard output that are complete. */
  get lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Resolves with what the pattern has found on standard output; rejects if the program ends without. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    let over = false;
    void this.#closed.then(() => (over = true));
    const missing = (): Error =>
      new Error(`it does not print ${pattern.source}: ${this.stdout}${this.stderr}`);
    const found = await eventually(() => {
      const match = pattern.exec(this.stdout);
      if (match === null && !over) throw missing();
      return match;
    });
    if (found === null) throw missing();
    return found;
  }

  /** Resolves when it has ended and everything is read. */
  async ended(): Promise<Exit> {
    this.#read();
    await this.#closed;
    return this.#exit;
  }

  /** As `ended`, with what it has written. */
  async finished(): Promise<Result> {
    const code = await this.ended();
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Resolves when it has ended, with its output unread. */
  async exited(): Promise<Exit> {
    if (this.running) await once(this.process, "exit");
    return this.#exit;
  }
}

/** The values of the lines that are complete: a log of JSON. */
export function jsonLines(text: string): unknown[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);
}

/** The command line is refused with a `UsageError`, whose message begins like this and is a single line. */
export function expectUsageError(parse: () => unknown, message: string): void {
  let error: unknown;
  try {
    parse();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ name: "UsageError" });
  expect((error as Error).message.slice(0, message.length)).toBe(message);
  expect((error as Error).message).not.toContain("\n");
}
