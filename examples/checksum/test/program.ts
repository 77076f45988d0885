/** Runs the program as a process, the way a user does. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { readFile, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { Program, type Result, command as commandOf, eventually } from "@scope/test-utils/node";

export const source = fileURLToPath(new URL("../src", import.meta.url));

/** The words of a command that runs the program. */
export function command(args: readonly string[] = [], main = path.join(source, "main.ts")): string[] {
  return commandOf(main, args);
}

/** Root reads everything; without these capabilities the permissions bind it like everybody else. */
const withoutPrivileges =
  process.getuid?.() === 0
    ? [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
      ]
    : [];

export interface Settings {
  readonly cwd: string;
  readonly unprivileged?: boolean;
  /** Another command than the program. */
  readonly words?: readonly string[];
  readonly stdin?: "ignore" | "pipe";
}

/** Its output is a character for each byte, and is not read before `finished` is called. */
export class Run extends Program {
  constructor(args: readonly string[], { cwd, unprivileged = false, words, stdin = "ignore" }: Settings) {
    super([...(unprivileged ? withoutPrivileges : []), ...(words ?? command(args))], {
      cwd,
      stdin,
      env: { LC_ALL: "C.UTF-8" },
      encoding: "latin1",
      unread: true,
    });
  }

  /** Resolves at the first output. Nothing of it is taken, so that soon the program has to wait for the reader. */
  async stalled(): Promise<void> {
    await once(this.process.stdout!, "readable");
  }

  /** Resolves when it has read a part of the file. */
  async isReading(file: string): Promise<void> {
    await eventually(() => this.positionIn(file));
  }

  /** How far into the file it has read; rejects if it has not. */
  async positionIn(file: string): Promise<number> {
    const directory = `/proc/${this.process.pid}`;
    for (const descriptor of await readdir(`${directory}/fd`)) {
      if ((await readlink(`${directory}/fd/${descriptor}`)) !== file) continue;
      const info = await readFile(`${directory}/fdinfo/${descriptor}`, "utf8");
      const position = Number(/^pos:\s*(\d+)/.exec(info)?.[1]);
      if (position > 0) return position;
    }
    throw new Error(`${file} is not being read`);
  }
}

export function run(args: readonly string[], settings: Settings): Promise<Result> {
  return new Run(args, settings).finished();
}

/** What a program of the system prints, one character per byte. */
export function output(cwd: string, script: string, input = ""): string {
  const result = spawnSync("bash", ["-c", `set -o pipefail; ${script}`], {
    cwd,
    input: Buffer.from(input, "latin1"),
    encoding: "latin1",
    env: { ...process.env, LC_ALL: "C" },
    maxBuffer: 1 << 28,
  });
  if (result.status !== 0) throw new Error(`${script}: exit code ${result.status}\n${result.stderr}`);
  return result.stdout;
}

/** What `sha256sum` says of all files of a tree. */
export function sha256sum(cwd: string, ...trees: string[]): string {
  return trees
    .map((tree) => output(cwd, `find -H ${tree} -type f -print0 | sort -z | xargs -0r sha256sum`))
    .join("");
}

/** The files in a directory that this process has open. */
export function openFiles(directory: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${descriptor}`);
      return file.startsWith(`${directory}/`) ? [file] : [];
    } catch {
      // The one that listed the directory is closed by now.
      return [];
    }
  });
}
