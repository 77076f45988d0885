import { parseArgs } from "node:util";

/** The command line makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const taskNames = ["poller", "dispatcher", "heartbeat"] as const;
export type TaskName = (typeof taskNames)[number];

/** How a relay goes about its work. All times in milliseconds. */
export interface Settings {
  /** So many requests at once. */
  readonly concurrency: number;
  /** The longest time between two looks at the table. */
  readonly poll: number;
  /** What a request may take. */
  readonly timeout: number;
  /** After so many failed attempts a row is dead. */
  readonly attempts: number;
  readonly retryInitial: number;
  readonly retryMax: number;
  /** How long a claimed row stays claimed when its relay is not heard of. */
  readonly lease: number;
  /** What requests under way may take when the relay is told to end. */
  readonly drain: number;
}

export interface Options extends Settings {
  /** Undefined: one of our own, on the loopback interface. */
  readonly webhook: string | undefined;
  /** Where the rows are: a server, or a directory of the embedded PostgreSQL, or its memory. */
  readonly database: { readonly url: string } | { readonly directory: string } | "memory";
  /** Write the rows of so many orders, and end when all are delivered. Undefined: run until a signal. */
  readonly orders: number | undefined;
  /** The task that is to have a bug. */
  readonly chaos: TaskName | undefined;
}

export const help = `\
Usage: outbox [OPTION]...

Delivers the rows of a PostgreSQL table "outbox" to a webhook: at least once, in order per
key, with retries. Without options: a demonstration of a few seconds, in which a shop
writes orders to an embedded PostgreSQL, and a webhook of our own fails now and then.

      --webhook URL        deliver to URL; rows come from DATABASE_URL, or --data
      --data DIR           an embedded PostgreSQL in DIR, which one process may use at a
                           time, instead of DATABASE_URL
      --orders N           write the rows of N orders, go on where an earlier run was
                           stopped, and end when nothing is left to deliver (without
                           --webhook 40)
      --concurrency N      so many requests at once (default 8)
      --poll TIME          the longest time between two looks at the table (500ms)
      --timeout TIME       what a request may take (10s)
      --attempts N         after N failed attempts a row is dead, and its key goes on
                           without it (30)
      --retry-initial TIME wait TIME after the first failure, twice as long after each
                           further one (1s)
      --retry-max TIME     but never longer than this (1h)
      --lease TIME         rows of a relay that is not heard of for TIME are another's (30s)
      --drain TIME         what requests under way may take on a signal (10s)
      --chaos[=TASK]       have a bug in TASK after a while: poller, dispatcher (if none is
                           named) or heartbeat
  -h, --help               print this and exit

TIME is a number with unit ms, s, m or h (500ms, 1.5m), without unit seconds. Without
--webhook the times are those of a demonstration, unless given. The log goes to standard
error, a line of JSON each, or made readable on a terminal.

Exit status: 0 everything is delivered (or dead), 1 a task has failed: the log names it,
2 bad arguments, 130/143 stopped by SIGINT/SIGTERM. A second signal ends it at once.
`;

/** Without a webhook to deliver to, everything is quicker. */
const usual = { poll: "500ms", timeout: "10s", attempts: "30", initial: "1s", max: "1h", lease: "30s" };
const shown = { poll: "100ms", timeout: "1s", attempts: "4", initial: "100ms", max: "2s", lease: "3s" };

/** Throws `UsageError`. */
export function parseArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Options | "help" {
  // The one option whose value can be left out.
  const values = parse(argv.map((word) => (word === "--chaos" ? "--chaos=dispatcher" : word)));
  if (values.help === true) return "help";
  const { webhook } = values;
  const defaults = webhook === undefined ? shown : usual;
  const retryInitial = parseTime("--retry-initial", values["retry-initial"] ?? defaults.initial);
  const retryMax = parseTime("--retry-max", values["retry-max"] ?? defaults.max);
  if (retryMax < retryInitial) throw new UsageError("--retry-max: expected at least --retry-initial");
  return {
    webhook: webhook === undefined ? undefined : parseUrl("--webhook", webhook, ["http:", "https:"]),
    database: chooseDatabase(values.data, webhook, env["DATABASE_URL"]),
    orders: parseOrders(values.orders, webhook),
    chaos: parseTask(values.chaos),
    concurrency: parseCount("--concurrency", values.concurrency),
    poll: parseTime("--poll", values.poll ?? defaults.poll),
    timeout: parseTime("--timeout", values.timeout ?? defaults.timeout),
    attempts: parseCount("--attempts", values.attempts ?? defaults.attempts),
    retryInitial,
    retryMax,
    lease: parseTime("--lease", values.lease ?? defaults.lease),
    drain: parseTime("--drain", values.drain),
  };
}

function parse(argv: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        webhook: text,
        data: text,
        orders: text,
        chaos: text,
        concurrency: { ...text, default: "8" },
        poll: text,
        timeout: text,
        attempts: text,
        "retry-initial": text,
        "retry-max": text,
        lease: text,
        drain: { ...text, default: "10s" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\s*\n\s*/g, " "), { cause: error });
  }
}

function chooseDatabase(
  directory: string | undefined,
  webhook: string | undefined,
  server: string | undefined,
): Options["database"] {
  if (directory === "") throw new UsageError("--data needs a directory");
  if (directory !== undefined) return { directory };
  // The demonstration leaves a database alone that happens to be in the environment.
  if (webhook === undefined) return "memory";
  if (server === undefined || server === "") {
    throw new UsageError("--webhook: where are the rows? Set DATABASE_URL, or give --data");
  }
  return { url: parseUrl("DATABASE_URL", server, ["postgres:", "postgresql:"]) };
}

function parseUrl(what: string, text: string, protocols: readonly string[]): string {
  // A server that listens on a socket of the file system has no host.
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocols.includes(url.protocol)) {
    throw new UsageError(
      `${what}: expected a URL with ${protocols.join(" or ")}, got ${JSON.stringify(text)}`,
    );
  }
  return text;
}

function parseOrders(text: string | undefined, webhook: string | undefined): number | undefined {
  if (text !== undefined) return parseCount("--orders", text);
  return webhook === undefined ? 40 : undefined;
}

function parseTask(text: string | undefined): TaskName | undefined {
  const name = taskNames.find((known) => known === text);
  if (name === undefined && text !== undefined) {
    throw new UsageError(`--chaos: expected ${taskNames.join(", ")}, got ${JSON.stringify(text)}`);
  }
  return name;
}

function parseCount(option: string, text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count < 1)
    throw new UsageError(`${option}: expected a whole number from 1, got ${JSON.stringify(text)}`);
  return count;
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
