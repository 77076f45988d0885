/** Runs the program as a process, the way a user does. */
import { fileURLToPath } from "node:url";

import { Program, type Result, command } from "@scope/test-utils/node";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export class Run extends Program {
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    super(command(main, args), { env });
  }
}

export function run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Result> {
  return new Run(args, env).finished();
}
