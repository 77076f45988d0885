/** Runs the tour as a process, the way a user does. */
import { fileURLToPath } from "node:url";

import { Program, command, eventually } from "@scope/test-utils/node";
import { expect } from "vitest";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** In a process group of its own, as a shell would start it: its children are of that group. */
export class Tour extends Program {
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    super(command(main, args), { env, detached: true });
  }

  /** What Ctrl-C does in a terminal: the signal is for the whole group. */
  interrupt(): void {
    process.kill(-this.#pid, "SIGINT");
  }

  /** Resolves when the system has no process of the group any more. */
  async allGone(): Promise<void> {
    await eventually(() => {
      expect(() => process.kill(-this.#pid, 0)).toThrow("ESRCH");
    });
  }

  get #pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error("it has not started");
    return pid;
  }
}

/** The answers to a question, of the table that a scene ends with. */
export function answersOf(output: string, question: string | RegExp): string[] {
  for (const line of output.split("\n")) {
    const [asked = "", ...answers] = line.trim().split(/ {2,}/);
    if (typeof question === "string" ? asked === question : question.test(asked)) return answers;
  }
  throw new Error(`no answer to ${String(question)}: ${output}`);
}
