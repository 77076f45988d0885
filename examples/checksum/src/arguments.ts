import { createHash, getHashes } from "node:crypto";
import { parseArgs } from "node:util";

import { UsageError } from "./errors.ts";

export interface Options {
  /** Files and directories; empty: the default ones. */
  readonly paths: readonly string[];
  readonly algorithm: string;
  /** How many files are open at once. */
  readonly concurrency: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** Where the lines go; standard output if undefined. */
  readonly output: string | undefined;
  readonly keepGoing: boolean;
}

const defaults = { algorithm: "sha256", concurrency: 16 };

export const help = `\
Usage: checksum [OPTION]... [DIR|FILE]...

Hashes every regular file at or below each DIR, many at a time, and prints lines that
sha256sum -c (or md5sum -c, sha512sum -c, b2sum -c ...) accepts, in sorted order.
Without DIR: this repository's packages and node_modules.

  -a, --algorithm NAME   md5, sha1, sha256, sha512, blake2b512 or any other that OpenSSL
                         has under this name (default ${defaults.algorithm})
  -j, --concurrency N    have at most N files open at once (default ${defaults.concurrency})
  -o, --output FILE      write to FILE instead of standard output (-): all lines at once
                         at the end, or none after a failure or an interruption
  -k, --keep-going       do not let the first failure cancel the rest; tell all failures
                         at the end
      --timeout TIME     stop after TIME: a number with unit ms, s, m or h (30s, 500ms,
                         1.5m), without unit seconds, 0 for no limit (the default)
  -h, --help             print this and exit

Symbolic links inside DIR are not followed; FIFOs, sockets and devices are passed over.
Progress, messages and the closing line go to standard error.

Exit status: 0 all hashed, 1 something could not be read or written, 2 bad arguments,
124 timed out, 129/130/143 stopped by SIGHUP/SIGINT/SIGTERM, 141 output pipe closed.
`;

/** Throws `UsageError`. */
export function parseArguments(argv: readonly string[]): Options | "help" {
  const { values, positionals } = parse(argv);
  if (values.help === true) return "help";
  if (values.output === "") throw new UsageError("--output needs the name of a file");
  return {
    paths: positionals,
    algorithm: parseAlgorithm(values.algorithm),
    concurrency: parseConcurrency(values.concurrency),
    timeout: parseTimeout(values.timeout),
    output: values.output === "-" ? undefined : values.output,
    keepGoing: values["keep-going"],
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        algorithm: { type: "string", short: "a", default: defaults.algorithm },
        concurrency: { type: "string", short: "j", default: String(defaults.concurrency) },
        output: { type: "string", short: "o" },
        "keep-going": { type: "boolean", short: "k", default: false },
        timeout: { type: "string", default: "0" },
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

function parseAlgorithm(name: string): string {
  try {
    createHash(name).digest();
    return name;
  } catch {
    const some = ["md5", "sha1", "sha256", "sha512", "blake2b512"].filter((known) =>
      getHashes().includes(known),
    );
    throw new UsageError(
      `--algorithm: unknown algorithm ${JSON.stringify(name)} (there are ${some.join(", ")} and others)`,
    );
  }
}

function parseConcurrency(text: string): number {
  const concurrency = /^\d+$/.test(text) ? Number(text) : 0;
  if (concurrency < 1 || !Number.isSafeInteger(concurrency)) {
    throw new UsageError(`--concurrency: expected a whole number from 1 up, got ${JSON.stringify(text)}`);
  }
  return concurrency;
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
