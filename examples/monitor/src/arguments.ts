import { parseArgs } from "node:util";

import { UsageError } from "./errors.ts";
import { parseTime } from "./time.ts";

export interface Options {
  /** The file that says what to watch. Undefined: the demonstration. */
  readonly targets: string | undefined;
  /** A file, or the address of a PostgreSQL. Undefined: the demonstration's own. */
  readonly database: string | undefined;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Milliseconds that each of the services may take to stop. */
  readonly stopTimeout: number;
  /** Whether every check is told, not only the changes. */
  readonly verbose: boolean;
}

export const help = `\
Usage: monitor [OPTION]... [TARGETS]

Watches what the file TARGETS names, records every check, and shows it all on a page.
Without TARGETS: watches three servers of its own on the loopback interface, a healthy,
a flaky and a slow one.

      --data FILE          keep the history in the SQLite database FILE (default monitor.db;
                           without TARGETS one that is deleted in the end). If the
                           environment has a DATABASE_URL: in that PostgreSQL
      --port PORT          serve the page on PORT, 0 for any that is free (default 8080;
                           without TARGETS 0)
      --host HOST          serve it on HOST (default 127.0.0.1; 0.0.0.0 for the whole network)
      --duration TIME      stop after TIME
      --stop-timeout TIME  give each service TIME to stop (default 5s)
      --verbose            print every check that was recorded, not only the changes
  -h, --help               print this and exit

TIME is a number with unit ms, s, m, h or d (500ms, 1.5m), without unit seconds.

TARGETS is YAML, for example

    every: 30s             # each of these has a default
    timeout: 10s
    backoff: { initial: 1s, max: 1m }
    keep: 30d
    targets:
      - http: https://example.org/
        name: our page
        status: 200
        timeout: 2s
      - tcp: localhost:5432
      - cpu: 90%
      - memory: 90%
      - disk: /
        max: 95%
        every: 5m

Exit status: 0 after --duration, or SIGTERM, and everything has stopped; 130 the same on
Ctrl-C; 1 something did not stop in time, or could not start; 2 bad arguments or TARGETS.
A second signal ends it at once.
`;

/** Throws `UsageError`. */
export function parseArguments(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Options | "help" {
  const { values, positionals } = parse(argv);
  if (values.help === true) return "help";
  const [targets, ...others] = positionals;
  if (others.length > 0) throw new UsageError(`too many arguments: ${JSON.stringify(others[0])}`);
  for (const [option, text] of Object.entries({
    "--host": values.host,
    "--data": values.data,
    TARGETS: targets,
  })) {
    if (text === "") throw new UsageError(`${option} needs a name`);
  }
  const isDemo = targets === undefined;
  return {
    targets,
    database: values.data ?? databaseOf(environment) ?? (isDemo ? undefined : "monitor.db"),
    host: values.host,
    port: parsePort(values.port ?? (isDemo ? "0" : "8080")),
    duration: values.duration === undefined ? Infinity : timeOf("--duration", values.duration),
    stopTimeout: timeOf("--stop-timeout", values["stop-timeout"]),
    verbose: values.verbose,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        data: { type: "string" },
        port: { type: "string" },
        host: { type: "string", default: "127.0.0.1" },
        duration: { type: "string" },
        "stop-timeout": { type: "string", default: "5s" },
        verbose: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    // Its messages come with advice, some of them on lines of their own.
    const message = (error as Error).message
      .replace(/\. To specify a positional.*/s, "")
      .replace(/\s*\n\s*/g, " ");
    throw new UsageError(message, { cause: error });
  }
}

function databaseOf({ DATABASE_URL: url }: Readonly<Record<string, string | undefined>>): string | undefined {
  if (url === undefined || url === "") return undefined;
  if (/^postgres(ql)?:\/\//.test(url)) return url;
  throw new UsageError("DATABASE_URL: expected postgres://… or postgresql://…");
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port > 65_535) {
    throw new UsageError(`--port: expected a whole number from 0 to 65535, got ${JSON.stringify(text)}`);
  }
  return port;
}

function timeOf(option: string, text: string): number {
  const time = parseTime(text);
  if (time === undefined) {
    throw new UsageError(`${option}: expected a time such as 30, 30s or 500ms, got ${JSON.stringify(text)}`);
  }
  return time;
}
