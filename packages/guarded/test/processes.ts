/**
 * Runs the programs of `programs/scenarios.ts` as processes: on this Node and on the sources, or, where `SCOPE_RUNTIME`
 * is the path of a `node`, `bun` or `deno`, on that and on the built packages.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Readable } from "node:stream";
import { tsx } from "@scope/test-utils/node";
import { onTestFinished } from "vitest";

const scenarios = path.join(import.meta.dirname, "programs", "scenarios.ts");
const { SCOPE_RUNTIME: other = "" } = process.env;

export const runtime = other === "" ? "node" : path.parse(other).name;

const commands: Readonly<Record<string, readonly string[]>> = {
  "": [process.execPath, "--conditions=@scope/source", ...tsx],
  node: [other, ...tsx],
  bun: [other],
  deno: [other, "run", "--allow-all"],
};

export interface Result {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Program {
  readonly process: ChildProcess;
  readonly stdout: Output;
  readonly stderr: Output;

  constructor(scenario: string) {
    const command = commands[other === "" ? "" : runtime];
    if (command === undefined) throw new Error(`SCOPE_RUNTIME is neither node, bun nor deno: ${other}`);
    const [file, ...words] = [...command, scenarios, scenario];
    const env = { PATH: process.env["PATH"], HOME: process.env["HOME"], NO_COLOR: "1" };
    this.process = spawn(file, words, { stdio: "pipe", env });
    this.stdout = new Output(this.process.stdout!);
    this.stderr = new Output(this.process.stderr!);
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** As somebody who presses Ctrl-C until it is gone. */
  async exitedAfter(signal: NodeJS.Signals): Promise<Result> {
    const pressed = setInterval(() => {
      this.kill(signal);
    }, 10);
    return this.exited().finally(() => {
      clearInterval(pressed);
    });
  }

  /** Resolves when it has ended, its output as far as it was read. */
  async exited(): Promise<Result> {
    const { exitCode, signalCode } = this.process;
    if (exitCode === null && signalCode === null) await once(this.process, "exit");
    const { exitCode: code, signalCode: signal } = this.process;
    return { code, signal, stdout: this.stdout.text, stderr: this.stderr.text };
  }

  /** Reads all output, and resolves when it has ended. */
  async finished(): Promise<Result> {
    const ended = [this.stdout, this.stderr].map((output) => output.contains(undefined));
    await Promise.all(ended);
    return this.exited();
  }
}

/** Reads only while somebody waits for something. */
class Output {
  readonly stream: Readable;
  text = "";

  constructor(stream: Readable) {
    this.stream = stream.setEncoding("utf8");
  }

  /** Reads until the text has come; to the end, if it is undefined. */
  async contains(text: string | undefined): Promise<void> {
    const read = (chunk: string): void => {
      this.text += chunk;
      if (text !== undefined && this.text.includes(text)) found();
    };
    let found!: () => void;
    const ended = new Promise<void>((resolve) => {
      found = resolve;
      this.stream.once("close", resolve);
    });
    if (text !== undefined && this.text.includes(text)) return;
    this.stream.on("data", read).resume();
    await ended;
    this.stream.off("data", read).pause();
    if (text !== undefined && !this.text.includes(text)) {
      throw new Error(`it ended, and never wrote ${text}:\n${this.text}`);
    }
  }
}

export function run(scenario: string): Promise<Result> {
  return new Program(scenario).finished();
}
