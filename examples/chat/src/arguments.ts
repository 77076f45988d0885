import { parseArgs } from "node:util";

/** The command line makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface Options {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Milliseconds between two announcements. */
  readonly announceEvery: number;
  /** Milliseconds that everything may take to end. */
  readonly drainTimeout: number;
  /** Whether there are commands that misbehave. */
  readonly bugs: boolean;
}

export const help = `\
Usage: chat [OPTION]...

A WebSocket chat server with a page for the browser. Without options: a demonstration
of a few seconds, in which clients talk, one misbehaves, and the announcer crashes.
With any option: serves until SIGINT (Ctrl-C) or SIGTERM.

      --port PORT           listen on PORT, 0 for any that is free (default 8080)
      --host HOST           listen on HOST (default 127.0.0.1)
      --announce-every TIME announce something every TIME (default 10s); it goes wrong
                            now and then
      --drain-timeout TIME  give connections TIME to end on a signal (default 10s)
      --bugs                have commands that misbehave: /crash throws, /hang never ends
  -h, --help                print this and exit

TIME is a number with unit ms, s, m or h (500ms, 1.5m), without unit seconds.
On the page: /nick NAME, /who, and anything else to say it to all. GET /healthz tells
how the server is doing. The log goes to standard error, a line of JSON each.

Exit status: 0 the demonstration is over, or SIGTERM and everything has ended; 130 the
same on Ctrl-C; 1 something did not end in time (the log names it), or the server could
not start or go on; 2 bad arguments. A second signal ends it at once.
`;

/** Throws `UsageError`. */
export function parseArguments(argv: readonly string[]): Options | "help" | "demo" {
  const { values } = parse(argv);
  if (values.help === true) return "help";
  if (argv.length === 0) return "demo";
  if (values.host === "") throw new UsageError("--host needs a name or an address");
  return {
    host: values.host,
    port: parsePort(values.port),
    announceEvery: parseTime("--announce-every", values["announce-every"]),
    drainTimeout: parseTime("--drain-timeout", values["drain-timeout"]),
    bugs: values.bugs,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8080" },
        "announce-every": { type: "string", default: "10s" },
        "drain-timeout": { type: "string", default: "10s" },
        bugs: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\s*\n\s*/g, " "), { cause: error });
  }
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port > 65_535) {
    throw new UsageError(`--port: expected a whole number from 0 to 65535, got ${JSON.stringify(text)}`);
  }
  return port;
}

const milliseconds = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function parseTime(option: string, text: string): number {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  const time = Number(amount) * milliseconds[unit as keyof typeof milliseconds];
  if (!(time > 0)) {
    throw new UsageError(`${option}: expected a time such as 30, 30s or 500ms, got ${JSON.stringify(text)}`);
  }
  return time;
}
