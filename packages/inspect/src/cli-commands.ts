import { CancellationSource, type CancellationToken, isCancellation, sleep } from "@scope/core";

import type { Command } from "./cli-arguments.ts";
import { age, formatTree, printable } from "./format-tree.ts";
import { type RemoteProcess, RemoteProcessError, connect, inspectable } from "./socket.ts";
import { type ThreadId, threadName } from "./socket-directory.ts";
import { rowsOf, table } from "./top.ts";
import { runTop } from "./top-terminal.ts";
import type { Snapshot } from "./types.ts";
import { serveWeb } from "./web.ts";

/** How long a process may take to answer, in milliseconds; a blocked one takes about one second. */
const PATIENCE = 5_000;

type Options<Name extends Command["command"]> = Extract<Command, { command: Name }>;

export async function ps({ json }: Options<"ps">, token: CancellationToken): Promise<void> {
  const described = await Promise.all((await inspectable()).map((id) => describe(id, token)));
  const found = described.filter((process) => process !== undefined);
  if (json) {
    print(JSON.stringify(found, undefined, 2));
    return;
  }
  const now = Date.now();
  const rows = found.map(({ pid, thread, startedAt, tasks, title, deadlocks, blocked }) => [
    threadName({ pid, thread }),
    startedAt === undefined ? "?" : age(now - startedAt),
    tasks === undefined ? "?" : String(tasks),
    [
      printable(title ?? "(does not answer)"),
      ...(blocked === true ? ["(blocked)"] : []),
      ...(deadlocks === undefined || deadlocks === 0 ? [] : ["(deadlock)"]),
    ].join(" "),
  ]);
  for (const line of table(["PID", "AGE", "TASKS", "PROGRAM"], rows, [0, 1, 2])) print(line);
}

/** What `ps --json` tells of a process; all but the first two are missing if it does not answer. */
interface Description extends ThreadId {
  readonly title?: string;
  readonly startedAt?: number;
  readonly tasks?: number;
  readonly deadlocks?: number;
  readonly blocked?: boolean;
}

/** `undefined` if it has ended. */
async function describe(id: ThreadId, token: CancellationToken): Promise<Description | undefined> {
  let startedAt: number | undefined;
  try {
    await using target = await connect(id.pid, id.thread);
    ({ startedAt } = await inTime(target.about(), id, token, 2_000));
    const snapshot = await inTime(target.snapshot(), id, token, 2_000);
    const { title, cycles, blocked } = snapshot;
    return {
      ...id,
      title,
      startedAt,
      tasks: rowsOf(snapshot).length,
      deadlocks: cycles.length,
      blocked: blocked !== undefined,
    };
  } catch (error) {
    if (error instanceof NoAnswerError) return { ...id, ...(startedAt !== undefined && { startedAt }) };
    if (error instanceof RemoteProcessError) return undefined;
    throw error;
  }
}

export async function pstree(options: Options<"pstree">, token: CancellationToken): Promise<void> {
  const { target: id, watch, json, interval } = options;
  await using target = await connect(id.pid, id.thread);
  const first = await inTime(target.snapshot(), id, token);
  if (!watch) {
    print(json ? JSON.stringify(first, undefined, 2) : treeOf(first, options));
    return;
  }
  const screen = !json && process.stdout.isTTY;
  const show = (snapshot: Snapshot): void => {
    if (json) print(JSON.stringify(snapshot));
    // Over what was there, from the top left corner on.
    else print(screen ? `\u001B[H\u001B[2J${treeOf(snapshot, options)}` : `${treeOf(snapshot, options)}\n`);
  };
  show(first);
  await untilEnded(target, id, async () => {
    await sleep(interval, token);
    show(await token.race(target.snapshot()));
  });
}

function treeOf(snapshot: Snapshot, { ids, ascii }: Options<"pstree">): string {
  const tree = formatTree(snapshot, { ids, ascii });
  if (snapshot.blocked === undefined) return tree;
  const stack = snapshot.blocked.split("\n").map((frame) => `  ${printable(frame)}`);
  const [heading = "", ...rest] = tree.split("\n");
  return [heading, "the event loop is blocked, in the midst of", ...stack, ...rest].join("\n");
}

export async function top(options: Options<"top">, token: CancellationToken): Promise<void> {
  const { target: id } = options;
  await using target = await connect(id.pid, id.thread);
  // Whether it answers is known before the screen is taken.
  await inTime(target.snapshot(), id, token);
  await untilEnded(target, id, () => runTop(target, options, token));
}

export async function web({ target: id, port }: Options<"web">, token: CancellationToken): Promise<void> {
  await using target = await connect(id.pid, id.thread);
  await using server = await serveWeb(target, { port });
  print(server.url);
  process.stderr.write("whoever has this address sees the program; Ctrl-C ends it\n");
  await token.race(target.ended);
  process.stderr.write(`process ${threadName(id)} has ended; Ctrl-C ends this too\n`);
  await token.race(new Promise<never>(() => undefined));
}

/** Again and again, until the process ends, which is no failure. */
async function untilEnded(target: RemoteProcess, id: ThreadId, work: () => Promise<unknown>): Promise<void> {
  let ended = false;
  void target.ended.then(() => (ended = true));
  try {
    while ((await work()) !== "quit");
  } catch (error) {
    await Promise.resolve();
    if (!ended || isCancellation(error)) throw error;
    process.stderr.write(`process ${threadName(id)} has ended\n`);
  }
}

class NoAnswerError extends Error {}

async function inTime<T>(
  promise: Promise<T>,
  id: ThreadId,
  token: CancellationToken,
  timeout = PATIENCE,
): Promise<T> {
  // Its rejection is told by the race, or comes when nobody wants it any more.
  promise.catch(() => undefined);
  using limit = new CancellationSource({ parent: token, timeout });
  try {
    return await limit.token.race(promise);
  } catch (error) {
    if (token.cancelRequested || !isCancellation(error)) throw error;
    throw new NoAnswerError(
      `process ${threadName(id)} does not answer: it is stopped, or its thread is in a system call`,
      { cause: error },
    );
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
