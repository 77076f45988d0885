/** Runs the program as a process, the way a user does. */
import path from "node:path";
import { fileURLToPath } from "node:url";

import {
  Program,
  command as commandOf,
  eventually,
  jsonLines,
  temporaryDirectory,
} from "@scope/test-utils/node";
import { onTestFinished } from "vitest";

import { LoopbackWebhook, type Manner, type Receipt } from "../src/loopback.ts";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** The words of a command that runs the program. */
export function command(args: readonly string[], program = "main.ts"): string[] {
  return commandOf(path.join(source, program), args);
}

export interface RunSettings {
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another command than the program. */
  readonly words?: readonly string[];
  readonly stdin?: "ignore" | "pipe";
}

export class Run extends Program {
  constructor(
    args: readonly string[],
    { program, env = {}, words = command(args, program), stdin = "ignore" }: RunSettings = {},
  ) {
    super(words, { stdin, env: { DATABASE_URL: "", ...env } });
  }

  /** Resolves with the first line of the log with this message, once it is there. */
  async logs(message: string): Promise<LogLine> {
    return eventually(() => {
      const line = this.log.find(({ msg }) => msg.includes(message));
      if (line === undefined) throw new Error(`it does not log ${message}: ${this.stderr}`);
      return line;
    });
  }

  /** The complete lines of it. */
  get log(): LogLine[] {
    return parseLog(this.stderr);
  }
}

/** One line of the log, as far as the tests look at it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly key?: string;
  readonly attempt?: number;
  readonly problem?: string;
  readonly retryIn?: number;
  readonly delivered?: number;
  readonly waiting?: number;
}

export function parseLog(text: string): LogLine[] {
  return jsonLines(text) as LogLine[];
}

/** Names a directory that does not exist, in one that disappears with the test. */
export async function newDirectory(): Promise<string> {
  return path.join(await temporaryDirectory(), "data");
}

/** A webhook that ends with the test. */
export async function openWebhook(manner?: Manner): Promise<LoopbackWebhook> {
  const webhook = await LoopbackWebhook.listen(manner);
  onTestFinished(() => webhook[Symbol.asyncDispose]());
  return webhook;
}

/** The rows of each key, in the order in which they arrived first, as `event` or `number` of their bodies. */
export function firstArrivals(accepted: readonly Receipt[]): Record<string, unknown[]> {
  const seen = new Set<string>();
  const arrivals: Record<string, unknown[]> = {};
  for (const { id, key, body } of accepted) {
    if (seen.has(id)) continue;
    seen.add(id);
    const { event, number } = body as { event?: string; number?: number };
    (arrivals[key] ??= []).push(event ?? number);
  }
  return arrivals;
}

/** What `firstArrivals` is when each of so many orders has been delivered completely, and in order. */
export function allOrders(orders: number): Record<string, unknown[]> {
  return Object.fromEntries(
    Array.from({ length: orders }, (_, index) => [`order-${index + 1}`, ["placed", "paid", "shipped"]]),
  );
}

/** Numbers from 0 up to 1 that are always the same for a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
