/**
 * The thread that serves the socket, and how it asks the thread that it serves.
 *
 * It asks by a message, as long as that one's event loop turns. If there is no answer soon, the loop does not turn: the main
 * thread is then interrupted by the debugger's way (node:inspector, inside of the process: no port is opened), and answers in
 * the midst of what it does. A thread that executes no JavaScript cannot be interrupted: one that waits in `Atomics.wait` or in
 * a synchronous system call.
 */
import { rmSync } from "node:fs";
import type { Session } from "node:inspector";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker, parentPort, threadId, workerData } from "node:worker_threads";

import { type Address, addressOf } from "./socket-directory.ts";
import { type About, type Answer, type Request, answerOf, refusal } from "./socket-protocol.ts";
import { serve } from "./socket-server.ts";
import type { Inspected, Snapshot } from "./types.ts";

/** How long a loop that turns may take to answer, in milliseconds. */
const PATIENCE = 500;
/** How long an interrupted thread may take, in milliseconds. */
const INTERRUPTED_PATIENCE = 5_000;

/** How many questions may be without an answer: a thread that is stuck is not to be heaped with them. */
const MAX_WAITING = 64;

/** The process-wide name of what the main thread answers when it is interrupted. */
const KEY = "@scope/inspect/answer";

/** What a thread can tell. */
export interface Told extends Pick<Inspected, "events"> {
  /** At once, also in the midst of other code. */
  snapshot(): Snapshot;
}

interface Settings {
  readonly scopeInspect: About;
}

/** To the thread that serves. */
interface FromTold {
  readonly number: number;
  readonly answer: Answer;
}

interface Question {
  readonly number: number;
  readonly request: Exclude<Request, { ask: "about" }>;
}

/** From the thread that serves. */
type FromServer = { readonly listening: Address } | { readonly failed: string } | Question;

/** Whether this is the thread that serves another one. */
export function isServingThread(): boolean {
  return settings() !== undefined;
}

function settings(): Settings["scopeInspect"] | undefined {
  return (workerData as Partial<Settings> | null | undefined)?.scopeInspect;
}

/**
 * Serves this thread's socket from a thread of its own, until this one ends; neither is kept alive by it.
 *
 * @param entry The module that calls `serveParent` when it finds itself in that thread.
 * @param onFailure Called with why, if there is no socket.
 */
export function startServing(entry: URL, told: Told, onFailure: (why: string) => void): void {
  (globalThis as Record<symbol, unknown>)[Symbol.for(KEY)] = (): Answer =>
    answerOf({ ...told.snapshot(), blocked: here() });
  const scopeInspect: Settings["scopeInspect"] = {
    pid: process.pid,
    thread: threadId,
    startedAt: Math.round(performance.timeOrigin),
  };
  const { SCOPE_INSPECT_DIR } = process.env;
  const server = new Worker(entry, {
    name: "scope-inspect",
    // What the program's own options load is not for this thread, least of all the module of `entry` once more.
    execArgv: [],
    env: SCOPE_INSPECT_DIR === undefined ? {} : { SCOPE_INSPECT_DIR },
    workerData: { scopeInspect } satisfies Settings,
  });
  server.on("error", (error) => onFailure(String(error)));
  server.on("message", (message: FromServer) => {
    if ("request" in message) void reply(server, message, told);
    else if ("failed" in message) onFailure(message.failed);
    else removeAtExit(message.listening);
  });
  // Last: a listener takes hold of the loop again.
  server.unref();
}

async function reply(server: Worker, { number, request }: Question, told: Told): Promise<void> {
  let answer: Answer;
  try {
    answer = answerOf(
      request.ask === "snapshot" ? told.snapshot() : await told.events(request.since, request.limit),
    );
  } catch (error) {
    answer = refusal(error);
  }
  server.postMessage({ number, answer } satisfies FromTold);
}

/** What the thread is in the midst of, one frame per line. */
function here(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 40;
  const stack = String(new Error().stack);
  Error.stackTraceLimit = stackTraceLimit;
  const frames = stack.split("\n").slice(1);
  // On top of what was interrupted: this function, the one that was evaluated, and the expression that called it.
  return frames
    .slice(3)
    .map((frame) => frame.trim())
    .join("\n");
}

function removeAtExit({ path }: Address): void {
  process.once("exit", () => {
    try {
      rmSync(path, { force: true });
    } catch {
      // The process has given its rights away meanwhile.
    }
  });
}

/** In the thread that serves: until its parent ends. */
export async function serveParent(): Promise<void> {
  const about = settings();
  if (about === undefined || parentPort === null) throw new Error("this is no thread of startServing");
  const port = parentPort;
  const tell = (message: FromServer): void => port.postMessage(message);
  const parent = new Parent(tell, about.thread === 0);
  port.on("message", ({ number, answer }: FromTold) => parent.answered(number, answer));
  try {
    const address = addressOf(about);
    await serve(address, async (request) =>
      request.ask === "about" ? answerOf(about) : parent.ask(request),
    );
    tell({ listening: address });
  } catch (error) {
    tell({ failed: error instanceof Error ? error.message : String(error) });
  }
}

/** The thread that is asked. */
class Parent {
  readonly #tell: (message: FromServer) => void;
  readonly #isMain: boolean;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;
  #snapshot: Promise<Answer> | undefined;
  /** It was interrupted, and has not answered by itself since. */
  #stuck = false;

  constructor(tell: (message: FromServer) => void, isMain: boolean) {
    this.#tell = tell;
    this.#isMain = isMain;
  }

  /** One snapshot is taken at a time, however many ask. */
  ask(request: Question["request"]): Promise<Answer> {
    if (request.ask !== "snapshot") return this.#askFor(request);
    this.#snapshot ??= this.#takeSnapshot().finally(() => (this.#snapshot = undefined));
    return this.#snapshot;
  }

  answered(number: number, answer: Answer): void {
    this.#stuck = false;
    this.#waiting.get(number)?.(answer);
    this.#waiting.delete(number);
  }

  async #takeSnapshot(): Promise<Answer> {
    if (this.#stuck) {
      const answer = await this.#interrupt();
      if (answer !== undefined) return answer;
    }
    const answered = this.#askFor({ ask: "snapshot" });
    for (;;) {
      const answer =
        (await Promise.race([answered, sleep(PATIENCE, undefined)])) ?? (await this.#interrupt());
      if (answer !== undefined) return answer;
    }
  }

  #askFor(request: Question["request"]): Promise<Answer> {
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new Error("it does not answer"));
    const number = ++this.#asked;
    this.#tell({ number, request });
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  async #interrupt(): Promise<Answer | undefined> {
    if (!this.#isMain) return undefined;
    const answer = await evaluateOnMainThread(`globalThis[Symbol.for("${KEY}")]()`);
    this.#stuck = answer !== undefined;
    return answer;
  }
}

/** In the midst of whatever that thread does. `undefined` if it executes nothing that could be interrupted. */
async function evaluateOnMainThread(expression: string): Promise<string | undefined> {
  let session: Session | undefined;
  try {
    const inspector = await import("node:inspector");
    session = new inspector.Session();
    session.connectToMainThread();
    return await Promise.race([evaluate(session, expression), sleep(INTERRUPTED_PATIENCE, undefined)]);
  } catch {
    // Not on this platform.
    return undefined;
  } finally {
    session?.disconnect();
  }
}

function evaluate(session: Session, expression: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    session.post("Runtime.evaluate", { expression, returnByValue: true, silent: true }, (error, answer) => {
      const value: unknown = error === null ? answer.result.value : undefined;
      resolve(typeof value === "string" ? value : undefined);
    });
  });
}
