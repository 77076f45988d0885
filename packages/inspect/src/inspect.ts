import { checkCount, wrongType } from "@scope/core";
import { hasCheapContext } from "./current.ts";
import { debugging } from "./host.ts";
import { Recorder, type RecorderOptions } from "./recorder.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { EventBatch, Inspected, Snapshot } from "./types.ts";

export interface InspectOptions {
  /** How many events of the timeline are kept; the oldest go first. @default 10_000 */
  events?: number | undefined;
  /**
   * Whether to find out which task waits for which. Costs each task some 0.2 µs where async context is cheap (Node from 24 on,
   * Deno, Bun), and slows every promise down in Node before that; tasks that begin in a flood of them are not followed. @default whether it is cheap, or SCOPE_DEBUG is set
   */
  waits?: boolean | undefined;
  /** Whether to keep where scopes were opened and tasks spawned: a stack trace each. @default whether SCOPE_DEBUG is set */
  sites?: boolean | undefined;
}

/** The one that observes this process, and for how many. */
interface Running {
  readonly recorder: Recorder;
  users: number;
}

const RUNNING = /* @__PURE__ */ Symbol.for("@scope/inspect/1");

interface Shared {
  [RUNNING]?: Running | undefined;
}

/**
 * Begins to observe this process, and lets one look into it until it is disposed of.
 *
 * What happened before is not known: call it first, or start the program with `node --import @scope/inspect/register`. All
 * who inspect a process share one recorder, with the options of the first; it ends with the last. While it observes, scopes
 * that were neither closed nor dropped are kept, with their tasks.
 *
 * Idea: `python -m asyncio pstree`, Kotlin's `DebugProbes`.
 *
 * @throws TypeError, RangeError for a bad option; the message names it.
 *
 * @example
 * ```ts
 * await using inspected = inspect();
 * process.on("SIGQUIT", async () => console.error(formatTree(await inspected.snapshot())));
 * ```
 */
export function inspect(options: InspectOptions = {}): Inspected {
  const running = enter(options);
  const { recorder } = running;
  let disposed = false;
  return {
    snapshot: () => settle(() => takeSnapshot(recorder)),
    events: (since, limit = 1000) =>
      settle((): EventBatch => {
        checkCount("since", since, 0);
        checkCount("limit", limit, 1);
        return recorder.timeline.read(since, limit);
      }),
    [Symbol.asyncDispose]: () =>
      settle(() => {
        if (disposed) return;
        disposed = true;
        leave(running);
      }),
  };
}

/**
 * Everything that lives at this moment, as plain data. If nobody inspects the process yet, this begins to, for good: then the
 * first snapshot shows nothing that was opened before.
 */
export function snapshot(): Snapshot {
  const { recorder } = (globalThis as Shared)[RUNNING] ?? enter({});
  return takeSnapshot(recorder);
}

function enter(options: InspectOptions): Running {
  const settings = check(options);
  const shared = globalThis as Shared;
  const running = (shared[RUNNING] ??= { recorder: new Recorder(settings), users: 0 });
  running.users++;
  return running;
}

function leave(running: Running): void {
  if (--running.users > 0) return;
  running.recorder.end();
  (globalThis as Shared)[RUNNING] = undefined;
}

function check(options: InspectOptions): RecorderOptions {
  const { events = 10_000, waits, sites } = options;
  checkCount("events", events, 1);
  // A ring without an end is none.
  if (events > 10_000_000) throw wrongType("events", "an integer >= 1 and <= 10,000,000", events, true);
  for (const [name, value] of Object.entries({ waits, sites })) {
    if (value !== undefined && typeof value !== "boolean") throw wrongType(name, "a boolean", value);
  }
  return { events, waits: waits ?? (hasCheapContext() || debugging()), sites: sites ?? debugging() };
}

/** As a promise: what it throws is a rejection. */
async function settle<T>(work: () => T): Promise<T> {
  return Promise.resolve(work());
}
