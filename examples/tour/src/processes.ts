import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

const programs = path.join(import.meta.dirname, "programs");

/** Every process of a scene; none of them outlives it. */
export class Processes implements AsyncDisposable {
  readonly #started: Subprocess[] = [];

  /**
   * Starts a program with Node: TypeScript is run as this process is, JavaScript by plain Node. A program may send messages, and
   * ends when this process has gone.
   */
  start(program: string, ...args: readonly string[]): Subprocess {
    const options = program.endsWith(".ts") ? process.execArgv : [];
    const child = new Subprocess(
      spawn(process.execPath, [...options, path.join(programs, program), ...args], {
        // Options may name modules that are looked for from here.
        cwd: import.meta.dirname,
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      }),
    );
    this.#started.push(child);
    return child;
  }

  /** How many of them the system still has. */
  get running(): number {
    return this.#started.filter((child) => child.running).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) child.kill("SIGKILL");
    await Promise.all(this.#started.map((child) => child.ended));
  }
}

export class Subprocess {
  readonly #process: ChildProcess;
  #log = "";
  /** When it has ended, and everything that it has sent and logged is here: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** What it said first: where it listens. Undefined if it has ended without a word. */
  readonly port: Promise<number | undefined>;

  constructor(child: ChildProcess) {
    this.#process = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    // A process that cannot even be started has ended.
    child.on("error", (error) => (this.#log += error.message));
    const disconnected = once(child, "disconnect");
    this.ended = once(child, "close").then(async () => {
      if (child.connected) await disconnected;
      return child.exitCode ?? child.signalCode ?? -1;
    });
    this.port = new Promise((resolve) => {
      this.onMessage((message) => {
        if (typeof message === "object" && message !== null && "port" in message)
          resolve(Number(message.port));
      });
      void this.ended.then(() => resolve(undefined));
    });
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#process.on("message", listener);
  }

  /** What it has written to standard error. */
  get log(): string {
    return this.#log;
  }

  /** Asks the system. */
  get running(): boolean {
    const { pid } = this.#process;
    if (pid === undefined) return false;
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#process.kill(signal);
  }
}
