/**
 * The soak: round after round of episodes, many at a time, under owners that stay. After each round everything is brought to
 * rest: the books must balance, and what is kept in memory is measured.
 */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { type CancellationToken, setTaskErrorHandler } from "@scope/core";
import { Books } from "./books.ts";
import { Dice } from "./dice.ts";
import { Episode, type Scene } from "./episode.ts";
import { scenes as all } from "./scenes.ts";
import { Stations } from "./stations.ts";
import { type Sample, type Trend, trendOf } from "./trend.ts";

declare const gc: (() => void) | undefined;

export interface SoakOptions {
  seconds: number;
  seed: number;
  /** This episode alone, again and again. */
  episode?: number | undefined;
  /** Ends it early, in an orderly way. */
  token?: CancellationToken | undefined;
  scenes?: readonly Scene[];
  /** How many episodes at once. @default 24 */
  lanes?: number;
  /** How long an episode may take, in milliseconds, before it is taken to hang. @default 60_000 */
  patience?: number;
  /** @default what a program may grow by whose engine does not optimise */
  limits?: Limits;
  /** How many samples there are to be, however long that takes. @default 0 */
  least?: number;
}

/** By how many bytes a second memory may grow for sure. */
export interface Limits {
  heap: number;
  rss: number;
}

export interface Outcome {
  readonly books: Books;
  readonly episodes: number;
  readonly seconds: number;
  readonly heap: Trend;
  readonly rss: Trend;
  readonly memory: readonly Memory[];
  /** Timers and handles that were not there before. */
  readonly left: readonly string[];
  readonly findings: readonly string[];
}

/** Bytes, at rest. */
interface Memory {
  readonly at: number;
  readonly heap: number;
  readonly rss: number;
}

/** Of the samples, this part is not looked at: the engine learns, and keeps what it learns. */
const WARM_UP = 0.25;

/** A heap that grows by 2 kB a second is a gigabyte larger after six days. The first minute is mostly settling down. */
function limitsOf(seconds: number): Limits {
  return seconds < 60 ? { heap: 8192, rss: Infinity } : { heap: 2048, rss: 32_768 };
}

export async function soak(options: SoakOptions): Promise<Outcome> {
  const books = new Books();
  const undo = [listen(books), takeReports(books)];
  try {
    return await run(books, options);
  } finally {
    for (const each of undo) each();
  }
}

async function run(books: Books, options: SoakOptions): Promise<Outcome> {
  const { seconds, seed, episode, token, scenes = all, lanes = 24, patience = 60_000, least = 0 } = options;
  const collect = collector();
  const handles = process.getActiveResourcesInfo();
  const dice = new Dice(seed);
  const stations = new Stations(books, dice.fork());
  const memory: Memory[] = [];
  const begun = performance.now();
  const elapsed = (): number => (performance.now() - begun) / 1000;
  const length = Math.min(5, Math.max(0.1, seconds / 60));
  const over = (): boolean => token?.cancelRequested === true || books.findings.length > 0;
  let played = 0;
  let hangs = false;

  const lane = async (until: number): Promise<void> => {
    while (elapsed() < until && !over()) {
      const number = episode ?? played;
      const key = played++;
      // The same for a seed and a number, whatever else goes on.
      const own = new Dice(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
      const one = new Episode(number, stations, scenes);
      books.underWay.set(key, one.name);
      stations.visit(own.fork());
      try {
        await stations.scope.spawn(() => one.play(own));
      } catch (error) {
        books.find(`${one.name} fails: ${String((error as Error).stack ?? error)}`);
      }
      books.underWay.delete(key);
    }
  };

  while ((elapsed() < seconds || memory.length < least) && !over()) {
    const until = elapsed() + length;
    stations.begin();
    const round = async (): Promise<void> => {
      const acknowledged = stations.acknowledge(() => elapsed() < until && !over());
      await Promise.all([acknowledged, ...Array.from({ length: lanes }, () => lane(until))]);
      await stations.rest();
      // What was said in the last moment.
      for (let turns = 0; turns < 3; turns++) await turn();
    };
    hangs = !(await inTime(round(), length * 1000 + patience));
    if (hangs) break;
    books.balance();
    await collect();
    const { heapUsed: heap, rss } = process.memoryUsage();
    memory.push({ at: elapsed(), heap, rss });
  }

  const ended = await inTime(stations.end(), patience);
  hangs ||= !ended;
  if (hangs) {
    const who = [...books.underWay.values()].slice(0, 5).join(", ") || "what stays";
    books.find(`never ends: ${who}; ${books.live} functions run`);
  } else {
    for (let round = 0; round < 20 && (books.undelivered > 0 || books.warned < books.dropped); round++)
      await collect();
    await turn();
    books.balance(true);
  }
  // Whoever has asked for an early end has a timer of its own.
  const left = token?.cancelRequested === true ? [] : await leftOver(handles);
  for (const handle of left) books.find(`L7: left behind: ${handle}`);
  const [heap, rss] = judge(books, memory, options.limits ?? limitsOf(seconds));
  return { books, episodes: played, seconds: elapsed(), heap, rss, memory, left, findings: books.findings };
}

/** Whether memory grows: a finding, if that is sure. */
export function judge(books: Books, memory: readonly Memory[], limits: Limits): [heap: Trend, rss: Trend] {
  const warm = memory.slice(Math.ceil(memory.length * WARM_UP));
  const trend = (what: "heap" | "rss"): Trend => {
    const samples: Sample[] = warm.map((one) => ({ at: one.at, value: one[what] }));
    const found = trendOf(samples);
    if (found.low > limits[what]) {
      books.find(
        `L7: ${what} grows by ${Math.round(found.slope)} bytes a second, at least ${Math.round(found.low)}, where ${limits[what]} are allowed`,
      );
    }
    return found;
  };
  return [trend("heap"), trend("rss")];
}

/** Collects all garbage, and lets what follows from that happen. */
function collector(): () => Promise<void> {
  if (typeof gc !== "function") throw new Error("Run with --expose-gc");
  const run = gc;
  return async () => {
    for (let round = 0; round < 4; round++) {
      await wait(0);
      run();
    }
  };
}

/** Timers and handles that were not there before. Some take a moment to close. */
async function leftOver(before: readonly string[]): Promise<string[]> {
  let left: string[] = [];
  for (let round = 0; round < 50; round++) {
    await turn();
    left = process.getActiveResourcesInfo();
    for (const handle of before) {
      const index = left.indexOf(handle);
      if (index >= 0) left.splice(index, 1);
    }
    // Of this `turn` itself.
    left = left.filter((handle) => handle !== "Immediate");
    if (left.length === 0) break;
  }
  return left;
}

async function inTime(promise: Promise<void>, ms: number): Promise<boolean> {
  const clock = new AbortController();
  const late = wait(ms, false, { signal: clock.signal }).catch(() => false);
  const done = await Promise.race([promise.then(() => true), late]);
  clock.abort();
  return done;
}

/** What must not come at all. */
function listen(books: Books): () => void {
  const listeners = {
    unhandledRejection: (error: unknown) => {
      books.find(`L2: unhandled rejection: ${String((error as Error | undefined)?.stack ?? error)}`);
    },
    uncaughtException: (error: unknown) => {
      books.find(`L2: uncaught: ${String((error as Error | undefined)?.stack ?? error)}`);
    },
    warning: (warning: Error) => {
      books.find(`a warning: ${String(warning)}`);
    },
  };
  const entries = Object.entries(listeners) as [string, (...args: unknown[]) => void][];
  for (const [event, listener] of entries) process.on(event, listener);
  return () => {
    for (const [event, listener] of entries) process.off(event, listener);
  };
}

/** The last reporters: the process-wide handler, and the warning of an owner that was dropped. */
function takeReports(books: Books): () => void {
  const previous = setTaskErrorHandler(({ error }) => {
    books.tell(error, "the process-wide handler");
  });
  const { warn } = console;
  console.warn = () => {
    books.warned++;
  };
  return () => {
    setTaskErrorHandler(previous);
    console.warn = warn;
  };
}
