/** `scope-inspect top`, on a terminal or not. */
import type { ReadStream } from "node:tty";
import { styleText } from "node:util";

import { type CancellationToken, sleep } from "@scope/core";

import type { RemoteProcess } from "./socket.ts";
import { MAX_EVENTS } from "./socket-protocol.ts";
import { type Sorting, Top, clip, sortings } from "./top.ts";
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
  const { stdout, stdin } = process;
  const top = new Top();
  if (!stdout.isTTY) {
    return refresh(target, top, interval, token, () => {
      stdout.write(`${top.render(sort, COLUMNS, ROWS).join("\n")}\n\n`);
    });
  }

  let sorting = sort;
  const draw = (): void => {
    // Some terminals do not know how big they are.
    const [columns, rows] = [stdout.columns || COLUMNS, stdout.rows || ROWS];
    const keys = clip(`q quits, s sorts by ${next(sorting)} (now by ${sorting})`, columns);
    const lines = [...top.render(sorting, columns, rows - 2).map(emphasised), "", keys];
    stdout.write(HOME + lines.map((line) => line + CLEAR_LINE).join("\n") + CLEAR_BELOW);
  };
  const restore = (): void => {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdout.write(LEAVE);
  };
  const ending = token.child();
  // However this process ends.
  process.once("exit", restore);
  stdout.write(ENTER);
  stdout.on("resize", draw);
  const refreshing = refresh(target, top, interval, ending.token, draw);
  const press = (key: string): void => {
    if (key !== "s") return;
    sorting = next(sorting);
    draw();
  };
  try {
    return await Promise.race([refreshing, untilQuit(stdin, press)]);
  } finally {
    ending.cancel();
    await Promise.allSettled([refreshing]);
    stdout.off("resize", draw);
    stdin.removeAllListeners("data").pause();
    process.off("exit", restore);
    restore();
  }
}

/** Looks again and again, and shows it. */
async function refresh(
  target: RemoteProcess,
  top: Top,
  interval: number,
  token: CancellationToken,
  show: () => void,
): Promise<never> {
  for (let since = 1; ;) {
    const snapshot = await token.race(target.snapshot());
    const batches: EventBatch[] = [];
    // A process that is blocked tells no events: its tree is shown all the same.
    while (snapshot.blocked === undefined) {
      const batch = await token.race(target.events(since, MAX_EVENTS));
      since = batch.next;
      batches.push(batch);
      if (batch.events.length < MAX_EVENTS) break;
    }
    top.look(snapshot, batches);
    show();
    await sleep(interval, token);
  }
}

/** Resolves when somebody presses q. Where the terminal is read raw, Ctrl-C is a key as well. */
function untilQuit(stdin: ReadStream, press: (key: string) => void): Promise<"quit"> {
  return new Promise((resolve) => {
    if (!stdin.isTTY) return;
    stdin.setRawMode(true);
    stdin.setEncoding("utf8");
    stdin.on("data", (text: string) => {
      for (const key of text) {
        if (key === "q") resolve("quit");
        else if (key === "\u0003") process.kill(process.pid, "SIGINT");
        else press(key);
      }
    });
  });
}

function next(sorting: Sorting): Sorting {
  return sortings[(sortings.indexOf(sorting) + 1) % sortings.length] ?? "age";
}

function emphasised(line: string): string {
  if (/^(SCOPE|TASK) {2}/.test(line)) return styleText("bold", line);
  return /^(deadlock:|the event loop is blocked)/.test(line) ? styleText(["bold", "red"], line) : line;
}
