import { parseArgs } from "node:util";

import { UsageError } from "./errors.ts";

export interface Options {
  /** Undefined: the demonstration. */
  readonly target: { readonly host: string; readonly port: number } | undefined;
  readonly tls: boolean;
  /** Milliseconds. */
  readonly timeout: number;
}

export const help = `\
Usage: happy-eyeballs [OPTION]... HOST PORT
       happy-eyeballs [OPTION]...

Connects to the address of HOST that answers first, as RFC 8305 has it: IPv6 and IPv4 take
turns, one more is tried every 250 ms or as soon as one fails, and all but the first to
answer are closed. Then it draws what happened when, and closes the connection.
Without arguments: a demonstration with servers on the loopback interface.

      --tls            do a TLS handshake as well, and check the certificate
      --timeout TIME   give up after TIME: a number with unit ms, s, m or h (10s, 500ms,
                       1.5m), without unit seconds, 0 for no limit (default 30s)
  -h, --help           print this and exit

In the drawing: - connecting, * connected, x failed, | closed because another was first or
the program was told to end.

Exit status: 0 connected, 1 no address answered, 2 bad arguments, 124 timed out,
129/130/143 stopped by SIGHUP/SIGINT/SIGTERM.
`;

/** Throws `UsageError`. */
export function parseArguments(argv: readonly string[]): Options | "help" {
  const { values, positionals } = parse(argv);
  if (values.help === true) return "help";
  const options = { tls: values.tls, timeout: parseTimeout(values.timeout) };
  const [host, port, ...others] = positionals;
  if (host === undefined) {
    if (values.tls) throw new UsageError("--tls needs HOST and PORT");
    return { ...options, target: undefined };
  }
  if (port === undefined) throw new UsageError("PORT is missing");
  if (others.length > 0) throw new UsageError(`too many arguments: ${JSON.stringify(others[0])}`);
  return { ...options, target: { host: parseHost(host), port: parsePort(port) } };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        tls: { type: "boolean", default: false },
        timeout: { type: "string", default: "30s" },
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

/** Takes an IPv6 address in brackets, too. */
function parseHost(text: string): string {
  const host = /^\[(.*:.*)\]$/s.exec(text)?.[1] ?? text;
  if (host === "") throw new UsageError("HOST is empty");
  return host;
}

function parsePort(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) {
    throw new UsageError(`PORT: expected a whole number from 1 to 65535, got ${JSON.stringify(text)}`);
  }
  return port;
}

const milliseconds = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function parseTimeout(text: string): number {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  if (amount === undefined) {
    throw new UsageError(
      `--timeout: expected a time such as 30, 30s, 500ms, 2m or 1h, got ${JSON.stringify(text)}`,
    );
  }
  return Number(amount) * milliseconds[unit as keyof typeof milliseconds] || Infinity;
}
