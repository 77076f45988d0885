/**
 * Random functions, cancelled, left and limited at random, run by the three combinators, and what must hold for all of them.
 * The same every time; others come with `FUZZ_SEED=random`, and more of them with `FUZZ_RUNS=<count>`.
 */
import { getEventListeners } from "node:events";
import {
  CancellationSource,
  FatalError,
  type TaskFunction,
  TaskGroupError,
  isCancellation,
} from "@scope/core";
import { asCompleted, gather, race } from "@scope/supervisor";
import { captureReports, flushMicrotasks } from "@scope/test-utils";
import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

const { FUZZ_RUNS = "500", FUZZ_SEED = "1" } = process.env;
const numRuns = Number(FUZZ_RUNS);
const seed = FUZZ_SEED === "random" ? Date.now() : Number(FUZZ_SEED);

const work = fc.record({
  /** How many turns it takes. */
  turns: fc.nat(12),
  end: fc.constantFrom("value", "value", "value", "failure", "failure", "fatal" as const),
  /** What it does when it is asked to end: so many turns later. */
  asked: fc.constantFrom("obey", "obey", "ignore", "fail", "fail fatally" as const),
  cleanup: fc.nat(4),
  sync: fc.boolean(),
});

const program = fc.record({
  works: fc.array(work, { maxLength: 6 }),
  cancelAt: fc.option(fc.nat(60), { nil: undefined }),
  by: fc.constantFrom("token", "signal" as const),
  concurrency: fc.constantFrom(1, 2, 3, Infinity),
  shield: fc.boolean(),
  continueOnError: fc.boolean(),
  /** The loop is left after so many. */
  leaveAfter: fc.option(fc.nat(4), { nil: undefined }),
  /** What the loop does with each. */
  busy: fc.nat(8),
  async: fc.boolean(),
});

type Work = typeof work extends fc.Arbitrary<infer W> ? W : never;
type Program = typeof program extends fc.Arbitrary<infer P> ? P : never;

/** What the functions of one run did. */
class World {
  running = 0;
  readonly thrown: Error[] = [];
  readonly values: { disposed: number; [Symbol.dispose](): void }[] = [];

  fn({ turns, end, asked, cleanup, sync }: Work, index: number): TaskFunction<unknown> {
    const fail = (fatal: boolean): never => {
      const error = fatal ? new FatalError(`fatal ${index}`) : new Error(`failure ${index}`);
      this.thrown.push(error);
      throw error;
    };
    const finish = (): unknown => {
      if (end !== "value") return fail(end === "fatal");
      const value = {
        disposed: 0,
        [Symbol.dispose](): void {
          this.disposed++;
        },
      };
      this.values.push(value);
      return value;
    };
    if (sync && turns === 0) return finish;
    return async (token) => {
      this.running++;
      try {
        for (let turn = 0; turn < turns; turn++) {
          await Promise.resolve();
          if (!token.cancelRequested || asked === "ignore") continue;
          await flushMicrotasks(cleanup);
          if (asked === "obey") token.throwIfCancelled();
          else fail(asked === "fail fatally");
        }
        return finish();
      } finally {
        this.running--;
      }
    };
  }
}

interface Outcome {
  readonly rejected: boolean;
  readonly error: unknown;
  /** Failures that the caller got to see, whichever way. */
  readonly delivered: unknown[];
  /** Whether it was the caller who ended it early. */
  readonly left: boolean;
  /** The value that came out. */
  readonly kept?: unknown;
}

async function settle(run: () => Promise<Omit<Outcome, "rejected" | "error">>): Promise<Outcome> {
  try {
    return { ...(await run()), rejected: false, error: undefined };
  } catch (error) {
    const several = error instanceof TaskGroupError ? error.errors : [error];
    return { rejected: true, error, delivered: several, left: false };
  }
}

type Way = (
  world: World,
  example: Program,
  outer: { token: AbortSignal | CancellationSource["token"] },
) => Promise<Outcome>;

const ways: Record<string, Way> = {
  gather: (world, { works, concurrency, shield }, outer) =>
    settle(async () => {
      const fns = works.map((one, index) => world.fn(one, index));
      const settled = await gather(fns, { ...outer, concurrency, shield, timeout: 60_000 });
      expect(settled).toHaveLength(works.length);
      const delivered = settled.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
      return { delivered, left: false };
    }),

  race: (world, { works, concurrency, shield, continueOnError }, outer) =>
    settle(async () => {
      const fns = works.map((one, index) => world.fn(one, index));
      if (fns.length === 0) return { delivered: [], left: false };
      const options = { ...outer, concurrency, shield, continueOnError, timeout: 60_000 };
      const { value, index, errors } = await race(fns, options);
      expect(works[index]?.end).toBe("value");
      return { delivered: errors, left: false, kept: value };
    }),

  asCompleted: async (world, { works, concurrency, shield, leaveAfter, busy, async }, outer) => {
    const delivered: unknown[] = [];
    const fns = works.map((one, index) => world.fn(one, index));
    const source = async
      ? (async function* () {
          for (const fn of fns) {
            await Promise.resolve();
            yield fn;
          }
        })()
      : fns;
    const tasks = asCompleted(source, { ...outer, concurrency, shield, timeout: 60_000 });
    let left = false;
    const outcome = await settle(async () => {
      for (let count = 0; ; count++) {
        if (count === leaveAfter) {
          left = true;
          await tasks.return();
          break;
        }
        const step: IteratorResult<{ status: string; error: unknown }, unknown> = await tasks.next();
        if (step.done === true) {
          expect(count).toBe(works.length);
          break;
        }
        const { status, error } = step.value;
        expect(["succeeded", "failed"]).toContain(status);
        if (status === "failed") delivered.push(error);
        await flushMicrotasks(busy);
      }
      return { delivered: [], left };
    });
    return { ...outcome, left, delivered: [...delivered, ...outcome.delivered] };
  },
};

async function check(way: Way, example: Program): Promise<string> {
  using reports = captureReports();
  const world = new World();
  const source = new CancellationSource();
  const controller = new AbortController();
  const outer = { token: example.by === "token" ? source.token : controller.signal };
  const cancelled = (): unknown =>
    example.by === "token" ? source.token.error : (controller.signal.reason as unknown);
  const running = way(world, example, outer).then((outcome) => {
    expect(world.running, "L1: nothing runs any more").toBe(0);
    return { ...outcome, cancelled: cancelled() };
  });
  const { cancelAt } = example;
  if (cancelAt !== undefined) {
    await flushMicrotasks(cancelAt);
    source.cancel("outside");
    controller.abort("outside");
  }
  const { rejected, error, delivered, left, kept, cancelled: reason } = await running;
  await flushMicrotasks();

  // L2: every failure is told, and those that the caller saw to nobody else.
  const told = reports.map((report) => report.error);
  const seen = new Set(delivered.filter((one) => !isCancellation(one)));
  expect(new Set([...told, ...seen]), "L2: none is lost").toEqual(new Set(world.thrown));
  expect(told.length + seen.size, "L2: none is told twice").toBe(world.thrown.length);

  // L4, L5: what it ends in.
  const fatal = world.thrown.find((one) => one instanceof FatalError);
  let kind = "resolved";
  if (fatal !== undefined) {
    expect(error, "L5: the first fatal error comes out bare").toBe(fatal);
    kind = "fatal";
  } else if (rejected && isCancellation(error)) {
    expect(reason, "L4: cancelled only from outside").toBeDefined();
    if (example.by === "token") expect(error).toBe(reason);
    else expect(error).toMatchObject({ source: "signal", reason });
    kind = "cancelled";
  } else if (rejected) {
    expect(way).toBe(ways["race"]);
    kind = "failed";
  }
  if (way === ways["race"]) {
    for (const value of world.values) expect(value.disposed).toBe(value === kept ? 0 : 1);
  }

  // L7: nothing is left behind.
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  return left ? `left, ${kind}` : kind;
}

describe.each(Object.entries(ways))("%s of random functions", (name, way) => {
  it(`keeps the laws in ${numRuns} runs`, { timeout: 60_000 + 20 * numRuns }, async () => {
    vi.useFakeTimers();
    const met = new Set<string>();
    await fc.assert(
      fc.asyncProperty(program, async (example) => {
        met.add(await check(way, example));
      }),
      { numRuns, seed },
    );
    if (numRuns < 500) return;
    const expected = {
      gather: ["resolved", "fatal", "cancelled"],
      race: ["resolved", "fatal", "cancelled", "failed"],
      asCompleted: ["resolved", "fatal", "cancelled", "left, resolved", "left, fatal"],
    }[name];
    expect([...met], "outcomes that were met").toEqual(expect.arrayContaining(expected!));
  });
});
