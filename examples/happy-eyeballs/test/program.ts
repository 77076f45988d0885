/** Runs the program as a process, the way a user does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

import { onTestFinished, vi } from "vitest";

// Processes take their time when many start at once.
vi.setConfig({ testTimeout: 60_000 });

/** Resolves when the check passes. */
export function eventually(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 30_000, interval: 2 });
}

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Run {
  readonly process: ChildProcess;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    const words = ["--conditions=@scope/source", "--import", tsx, main, ...args];
    this.process = spawn(process.execPath, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", ...env },
    });
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  async finished(): Promise<Result> {
    let [stdout, stderr] = ["", ""];
    this.process.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const [code] = (await once(this.process, "close")) as [number | null];
    return { code, stdout, stderr };
  }
}

export function run(args: readonly string[], env?: Record<string, string>): Promise<Result> {
  return new Run(args, env).finished();
}
