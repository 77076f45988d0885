import { parseArgs } from "node:util";

import { type ThreadId, parseThreadName } from "./socket-directory.ts";
import { type Sorting, sortings } from "./top.ts";

/** The command line makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type Command =
  | { readonly command: "help" | "version" }
  | { readonly command: "ps"; readonly json: boolean }
  | {
      readonly command: "pstree";
      readonly target: ThreadId;
      readonly json: boolean;
      readonly watch: boolean;
      readonly interval: number;
      readonly ids: boolean;
      readonly ascii: boolean;
    }
  | {
      readonly command: "top";
      readonly target: ThreadId;
      readonly interval: number;
      readonly sort: Sorting;
    }
  | { readonly command: "web"; readonly target: ThreadId; readonly port: number };

export const help = `\
Usage: scope-inspect ps [--json]
       scope-inspect pstree PID [--json] [--watch] [--interval TIME] [--ids] [--ascii]
       scope-inspect top PID [--interval TIME] [--sort age|state|name]
       scope-inspect web PID [--port PORT]

Looks into programs of this user that were started with
  node --import @scope/inspect/register program.js

  ps       list them
  pstree   print the tree of scopes and tasks, deadlocks first
  top      show what runs, how long and how often; keys: s sorts otherwise, q quits
  web      serve a page with the live tree and a timeline on this machine, until Ctrl-C

PID is as ps lists it: 4711, or 4711.2 for a worker thread.

      --json           print JSON, with --watch a line each time
      --watch          print again and again, until the process ends
      --interval TIME  how often, such as 500ms or 2s (default 1s)
      --ids            show the ids of scopes and tasks
      --ascii          draw with ASCII only
      --sort ORDER     oldest first, by state, or by name (default age)
      --port PORT      listen on PORT (default: any that is free)
  -h, --help           print this and exit
      --version        print the version and exit

SIGUSR2 makes such a program print its tree to its standard error. SCOPE_INSPECT_DIR is
where the sockets are, if not in /tmp.

Exit status: 0 done; 1 no such process, it does not answer, or something else went wrong;
2 bad arguments; 130 Ctrl-C.
`;

const booleans = ["json", "watch", "ids", "ascii"] as const;

/** What each command takes. */
const takes: Readonly<Record<string, readonly string[]>> = {
  ps: ["json"],
  pstree: ["json", "watch", "interval", "ids", "ascii"],
  top: ["interval", "sort"],
  web: ["port"],
};

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Command {
  const { values, positionals } = parse(argv);
  if (values.help === true) return { command: "help" };
  if (values.version === true) return { command: "version" };
  const [command, ...operands] = positionals;
  if (command === undefined) throw new UsageError("a command is missing");
  const options = Object.hasOwn(takes, command) ? takes[command] : undefined;
  if (options === undefined) throw new UsageError(`there is no command ${JSON.stringify(command)}`);
  for (const name of Object.keys(values)) {
    if (!options.includes(name)) throw new UsageError(`${command} has no option --${name}`);
  }
  const [json, watch, ids, ascii] = booleans.map((name) => values[name] === true) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  if (command === "ps") {
    if (operands.length > 0) throw new UsageError(`ps takes no operand: ${JSON.stringify(operands[0])}`);
    return { command, json };
  }
  const target = parseTarget(command, operands);
  const interval = parseInterval(values.interval ?? "1s");
  if (values.interval !== undefined && command === "pstree" && !watch) {
    throw new UsageError("--interval is for --watch");
  }
  if (command === "pstree") return { command, target, json, watch, interval, ids, ascii };
  if (command === "top") return { command, target, interval, sort: parseSorting(values.sort ?? "age") };
  return { command: "web", target, port: parsePort(values.port ?? "0") };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        watch: { type: "boolean" },
        ids: { type: "boolean" },
        ascii: { type: "boolean" },
        interval: { type: "string" },
        sort: { type: "string" },
        port: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\s*\n\s*/g, " "), { cause: error });
  }
}

function parseTarget(command: string, [text, ...others]: readonly string[]): ThreadId {
  if (text === undefined) throw new UsageError(`${command} needs a PID: scope-inspect ps lists them`);
  if (others.length > 0) throw new UsageError(`${command} takes one PID, got ${others.length + 1}`);
  const target = parseThreadName(text);
  if (target === undefined) throw new UsageError(`expected a PID such as 4711, got ${JSON.stringify(text)}`);
  return target;
}

const milliseconds = { ms: 1, s: 1_000, m: 60_000 };

function parseInterval(text: string): number {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m)?$/.exec(text) ?? [];
  const time = Number(amount) * milliseconds[unit as keyof typeof milliseconds];
  if (!(time >= 50 && time <= 3_600_000)) {
    throw new UsageError(`--interval: expected 50ms to 60m, got ${JSON.stringify(text)}`);
  }
  return time;
}

function parseSorting(text: string): Sorting {
  const sorting = sortings.find((name) => name === text);
  if (sorting === undefined) {
    throw new UsageError(`--sort: expected ${sortings.join(", ")}, got ${JSON.stringify(text)}`);
  }
  return sorting;
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port > 65_535) {
    throw new UsageError(`--port: expected a whole number from 0 to 65535, got ${JSON.stringify(text)}`);
  }
  return port;
}
