/** `scope-inspect top`, on a terminal or not. */
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { ReadStream } from "node:tty";
import { styleText } from "node:util";

import type { CancellationToken } from "@scope/core";

import type { RemoteProcess } from "./socket.ts";
import { MAX_EVENTS } from "./socket-protocol.ts";
import { type Sorting, Top, sortings } from "./top.ts";
import type { EventBatch } from "./types.ts";

// The alternate screen: what was there before comes back with the end.
const ENTER = "\u001B[?1049h\u001B[?25l";
const LEAVE = "\u001B[?25h\u001B[?1049l";
const HOME = "\u001B[H";
const CLEAR_LINE = "\u001B[K";
const CLEAR_BELOW = "\u001B[J";

/** Without a terminal, or one that does not know how big it is. */
const COLUMNS = 120;
const ROWS = 60;

export interface TopOptions {
  readonly interval: number;
  readonly sort: Sorting;
}

/**
 * Until somebody quits, the token is cancelled or the process ends; the terminal is as it was then. Where standard output is no
 * terminal: one text after the other.
 */
export async function runTop(
  target: RemoteProcess,
  { interval, sort }: TopOptions,
  token: CancellationToken,
): Promise<"quit"> {
  const look = looker(target, token);
  const { stdout, stdin } = process;
  if (!stdout.isTTY) {
    for (;;) {
      const top = await look();
      stdout.write(`${top.render(sort, COLUMNS, ROWS).join("\n")}\n\n`);
      await wait(interval, undefined, { signal: token.signal });
    }
  }

  let sorting = sort;
  let top: Top | undefined;
  const draw = (): void => {
    const { columns = COLUMNS, rows = ROWS } = stdout;
    const lines = top?.render(sorting, columns, rows - 2) ?? [];
    const keys = `q quits, s sorts by ${next(sorting)} (now by ${sorting})`;
    const shown = [...lines.map(emphasised), "", keys.slice(0, columns)];
    stdout.write(HOME + shown.map((line) => line + CLEAR_LINE).join("\n") + CLEAR_BELOW);
  };
  const restore = (): void => {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdout.write(LEAVE);
  };
  // However this process ends.
  process.once("exit", restore);
  stdout.write(ENTER);
  stdout.on("resize", draw);
  try {
    return await Promise.race([
      refresh(),
      keysOf(stdin, (key) => {
        if (key !== "s") return;
        sorting = next(sorting);
        draw();
      }),
    ]);
  } finally {
    stdout.off("resize", draw);
    stdin.pause();
    process.off("exit", restore);
    restore();
  }

  async function refresh(): Promise<never> {
    for (;;) {
      top = await look();
      draw();
      await wait(interval, undefined, { signal: token.signal });
    }
  }
}

function looker(target: RemoteProcess, token: CancellationToken): () => Promise<Top> {
  const top = new Top();
  let since = 1;
  return async () => {
    const batches: EventBatch[] = [];
    // A process that is blocked tells no events: its tree is shown all the same.
    const snapshot = await token.race(target.snapshot());
    while (snapshot.blocked === undefined) {
      const batch = await token.race(target.events(since, MAX_EVENTS));
      since = batch.next;
      batches.push(batch);
      if (batch.events.length < MAX_EVENTS) break;
    }
    top.look(snapshot, batches);
    return top;
  };
}

/** Resolves with "quit" when somebody presses q. Ctrl-C is a key as well where the terminal is read raw. */
async function keysOf(stdin: ReadStream, press: (key: string) => void): Promise<"quit"> {
  if (!stdin.isTTY) return new Promise(() => undefined);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8").resume();
  for (;;) {
    const [text] = (await once(stdin, "data")) as [string];
    for (const key of text) {
      if (key === "q" || key === "Q") return "quit";
      if (key === "\u0003") process.kill(process.pid, "SIGINT");
      else press(key);
    }
  }
}

function next(sorting: Sorting): Sorting {
  return sortings[(sortings.indexOf(sorting) + 1) % sortings.length] ?? "age";
}

function emphasised(line: string): string {
  if (/^(SCOPE|TASK) {2}/.test(line)) return styleText("bold", line);
  return /^(deadlock:|the event loop is blocked)/.test(line) ? styleText(["bold", "red"], line) : line;
}
