/**
 * Programs as users run them, with `--import @scope/inspect/register`, and `scope-inspect` beside them. All are bundled first: a
 * thread does not read TypeScript, and what is bundled starts at once. So register and the program have a core each.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import {
  Program,
  type ProgramSettings,
  type Result,
  eventually,
  temporaryDirectory,
} from "@scope/test-utils/node";
import { build } from "esbuild";
import { afterAll, beforeAll } from "vitest";

import { type RemoteProcess, connect } from "../src/socket.ts";

const inspect = path.join(import.meta.dirname, "..");
let built = "";

/** Before the tests of a file that runs processes. */
export function buildOnce(): void {
  beforeAll(async () => {
    built = await mkdtemp(path.join(tmpdir(), "scope-inspect-test-"));
    // Other users run it as well.
    await chmod(built, 0o755);
    await build({
      entryPoints: {
        register: path.join(inspect, "src/register.ts"),
        cli: path.join(inspect, "src/cli.ts"),
        scenarios: path.join(inspect, "test/programs/scenarios.ts"),
      },
      outdir: built,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      platform: "node",
      format: "esm",
      target: "es2022",
      conditions: ["@scope/source"],
      sourcemap: "inline",
      logLevel: "error",
    });
  });
  afterAll(() => rm(built, { recursive: true, force: true }));
}

/** The options with which Node makes a program inspectable. */
export function registered(): string[] {
  return ["--import", pathToFileURL(path.join(built, "register.mjs")).href];
}

/** Programs whose sockets are in a directory of the test's own. */
export class Stage {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;

  constructor(directory: string) {
    this.directory = directory;
    this.env = { SCOPE_INSPECT_DIR: directory };
  }

  /** Where the socket of a process is, or would be. */
  socketOf({ process: { pid } }: Program): string {
    return path.join(this.directory, `${pid}.sock`);
  }

  /** A scenario that is inspectable. */
  start(scenario: string, settings: ProgramSettings = {}): Program {
    return this.spawn(
      [process.execPath, ...registered(), path.join(built, "scenarios.mjs"), scenario],
      settings,
    );
  }

  /** One that is not. */
  startPlain(scenario: string): Program {
    return new Program([process.execPath, path.join(built, "scenarios.mjs"), scenario], { env: this.env });
  }

  /** Resolves when it is up and can be looked into. */
  async ready(scenario: string, settings?: ProgramSettings): Promise<Program> {
    const program = this.start(scenario, settings);
    await program.printed(/^ready$/m);
    await using inspected = await this.connect(program.process.pid!);
    await inspected.about();
    return program;
  }

  /** Connects as soon as it is there. */
  connect(pid: number, thread = 0): Promise<RemoteProcess> {
    return eventually(() => this.inOwnDirectory(() => connect(pid, thread)));
  }

  /** `scope-inspect` with these words. */
  cli(words: readonly string[], settings: ProgramSettings = {}): Program {
    return this.spawn(this.commandOf(words), settings);
  }

  commandOf(words: readonly string[]): string[] {
    return [process.execPath, path.join(built, "cli.mjs"), ...words];
  }

  /** Any command, that looks for sockets where they are. */
  spawn(command: readonly string[], settings: ProgramSettings = {}): Program {
    return new Program(command, { ...settings, env: { ...this.env, ...settings.env } });
  }

  runScript(code: string, settings: ProgramSettings): Promise<Result> {
    return new Program([process.execPath, "--eval", code], settings).finished();
  }

  run(...words: string[]): Promise<Result> {
    return this.cli(words).finished();
  }

  /** What this process does there looks into the same directory. */
  inOwnDirectory<T>(work: () => T): T {
    const { SCOPE_INSPECT_DIR: before } = process.env;
    process.env["SCOPE_INSPECT_DIR"] = this.directory;
    try {
      return work();
    } finally {
      if (before === undefined) delete process.env["SCOPE_INSPECT_DIR"];
      else process.env["SCOPE_INSPECT_DIR"] = before;
    }
  }
}

export async function openStage(): Promise<Stage> {
  return new Stage(await temporaryDirectory());
}
