/** What is over is gone: heaps measured after a full collection, and objects that must be collectable. */
import { CancellationSource, FatalError, TaskGroupError, setDebug, sleep } from "@scope/core";
import type { Task } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import {
  captureReports,
  collectGarbage,
  Deferred,
  flushMicrotasks,
  growth,
  heapUsed,
  inBatches,
  macrotask,
  survivors,
  type Watched,
} from "@scope/test-utils";
import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";

const MEGABYTE = 2 ** 20;
/** So many at once, where they are not done one after another. */
const BATCH = 100;

describe("one long-lived AbortSignal", { timeout: 60_000 }, () => {
  it("keeps nothing of 100,000 groups under it, and has one listener at most (L7)", async () => {
    const { signal } = new AbortController();
    let most = 0;
    const body = async (group: TaskGroup): Promise<number> => {
      most = Math.max(most, getEventListeners(signal, "abort").length);
      return await group.spawn(async () => 1);
    };
    const grown = await growth(100_000, (count) =>
      inBatches(count, () => TaskGroup.run(body, { token: signal })),
    );
    expect(most).toBe(1);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 20,000 groups that failed, were cancelled or timed out", async () => {
    const { signal } = new AbortController();
    const fail = (): Promise<never> => Promise.reject(new Error("failed"));
    const grown = await growth(20_000, (count) =>
      inBatches(count / 2, () =>
        Promise.allSettled([
          TaskGroup.run(
            async (group) => {
              group.spawn(fail);
              group.spawn((token) => sleep(60_000, token));
              await sleep(60_000, group.token);
            },
            { token: signal, timeout: 60_000 },
          ),
          TaskGroup.run((group) => sleep(Infinity, group.token), { token: signal, timeout: 1 }),
        ]),
      ),
    );
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

describe("one long-lived group", { timeout: 60_000 }, () => {
  it("keeps nothing of 300,000 short tasks that waited for a slot", async () => {
    const { token } = new CancellationSource();
    const group = new TaskGroup({ concurrency: 10, token });
    const grown = await growth(300_000, async (count) => {
      for (let n = 0; n < count; n++) {
        group.spawn(async () => n);
        if (n % BATCH === 0) await macrotask();
      }
      await macrotask();
    });
    expect(group.size).toBe(0);
    await group.join();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 pending tasks that were cancelled alone", async () => {
    const group = new TaskGroup({ concurrency: 1 });
    const blocked = new Deferred();
    group.spawn(() => blocked.promise);
    const never = vi.fn();
    const grown = await growth(100_000, async (count) => {
      for (let n = 0; n < count; n += BATCH) {
        const tasks = Array.from({ length: BATCH }, () => group.spawn(never));
        for (const task of tasks) task.cancel();
        await flushMicrotasks(4);
      }
    });
    expect(group.size).toBe(1);
    blocked.resolve();
    await group.join();
    expect(never).not.toHaveBeenCalled();
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

describe("map", { timeout: 60_000 }, () => {
  it.each([2, 8, Infinity])(
    "keeps little more than results of what has ended while the first item takes long, concurrency %d (L7)",
    async (concurrency) => {
      const first = new Deferred();
      const called: WeakRef<object>[] = [];
      const mapped = TaskGroup.map(
        Array.from({ length: 1000 }, (_, index) => index),
        async (item, token) => {
          called.push(new WeakRef(token));
          await (item === 0 ? first.promise : flushMicrotasks());
          return -item;
        },
        { concurrency },
      );
      while (called.length < 1000) await macrotask();
      await macrotask();
      await collectGarbage();
      expect(called.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(50);
      first.resolve();
      expect((await mapped).every((result, index) => result === -index)).toBe(true);
    },
  );

  it("keeps nothing of 60,000 items but their results, while it goes on", async () => {
    const { token } = new CancellationSource();
    function* items(): Generator<number> {
      for (let n = 0; n < 60_000; n++) yield n;
    }
    const heaps: number[] = [];
    const results = await TaskGroup.map(
      items(),
      async (n) => {
        if (n === 5_000 || n === 59_999) heaps.push(await heapUsed());
      },
      { token, concurrency: 2 },
    );
    expect(results).toHaveLength(60_000);
    expect(heaps[1]! - heaps[0]!).toBeLessThan(MEGABYTE);
  });
});

describe("the error of a finished group", () => {
  async function fail(): Promise<{ error: TaskGroupError; failure: Error; watched: Watched }> {
    const failure = new Error("failed");
    const captured = { large: new Array<number>(100).fill(0) };
    const watched: Watched = { captured: new WeakRef(captured) };
    const body = async (group: TaskGroup): Promise<void> => {
      const fn = (): Promise<never> => Promise.reject(failure);
      const sibling = group.spawn((token) => sleep(60_000, token).finally(() => captured));
      group.spawn(fn, { name: "first" });
      Object.assign(watched, {
        group: new WeakRef(group),
        token: new WeakRef(group.token),
        function: new WeakRef(fn),
        sibling: new WeakRef(sibling),
      });
      await sleep(60_000, group.token).finally(() => captured);
    };
    watched["body"] = new WeakRef(body);
    const error: unknown = await TaskGroup.run(body, { name: "ingest" }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TaskGroupError);
    return { error: error as TaskGroupError, failure, watched };
  }

  it("keeps the failed tasks, and neither the group nor its body nor the siblings", async () => {
    const { error, failure, watched } = await fail();
    expect(await survivors(watched)).toEqual([]);
    expect(error.errors).toEqual([failure]);
    expect(error.tasks.map((task) => task?.name)).toEqual(["first"]);
  });

  it("is not kept by the process: nor are its failures", async () => {
    async function forget(): Promise<Watched> {
      const { error, failure, watched } = await fail();
      return { ...watched, error: new WeakRef(error), failure: new WeakRef(failure) };
    }
    expect(await survivors(await forget())).toEqual([]);
  });

  it("keeps nothing of a group that has timed out", async () => {
    async function run(): Promise<{ error: unknown; watched: Watched }> {
      const watched: Watched = {};
      const body = async (group: TaskGroup): Promise<void> => {
        watched["group"] = new WeakRef(group);
        await sleep(60_000, group.token);
      };
      watched["body"] = new WeakRef(body);
      const error: unknown = await TaskGroup.run(body, { timeout: 1 }).catch((reason: unknown) => reason);
      return { error, watched };
    }
    const { error, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(error).toMatchObject({ name: "TimeoutError", timeout: 1 });
  });

  it("keeps nothing of a nested group", async () => {
    async function run(): Promise<{ error: unknown; watched: Watched }> {
      const watched: Watched = {};
      // Made outside: its own stack would keep whatever called it.
      const failure = new Error("failed");
      const error: unknown = await TaskGroup.run((outer) => {
        watched["outer"] = new WeakRef(outer);
        outer.spawn(() =>
          TaskGroup.run((inner) => {
            watched["inner"] = new WeakRef(inner);
            inner.spawn(() => Promise.reject(failure));
          }),
        );
      }).catch((reason: unknown) => reason);
      return { error, watched };
    }
    const { error, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect((error as TaskGroupError).leaves()).toMatchObject([{ message: "failed" }]);
  });
});

describe("a finished group", () => {
  it("is released by the token that it followed, and by a task of it that is kept", async () => {
    const { token } = new CancellationSource();
    async function run(): Promise<{ kept: Task<number>; watched: Watched }> {
      const watched: Watched = {};
      const kept = await TaskGroup.run(
        (group) => {
          watched["group"] = new WeakRef(group);
          // In an object: a task that is returned would be awaited.
          return { task: group.spawn(async () => 1) };
        },
        { token, concurrency: 2 },
      );
      return { kept: kept.task, watched };
    }
    const { kept, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(kept.result()).toBe(1);
  });
});

describe("a finished group that is kept", () => {
  it("keeps neither its error nor its tasks, and no failure but the one that cancelled it", async () => {
    async function run(): Promise<{ kept: TaskGroup; watched: Watched }> {
      const kept = new TaskGroup();
      const failure = new Error("failed");
      const second = new Error("failed while being cancelled");
      const failed = kept.spawn(() => Promise.reject(failure));
      const sibling = kept.spawn((token) => sleep(60_000, token).catch(() => Promise.reject(second)));
      const error: unknown = await kept.join().catch((reason: unknown) => reason);
      const watched: Watched = {
        error: new WeakRef(error as TaskGroupError),
        second: new WeakRef(second),
        failed: new WeakRef(failed),
        sibling: new WeakRef(sibling),
      };
      // The first failure is what the group was cancelled with, which its token tells for ever (L3); no other is kept.
      expect(kept.token.error?.reason).toBe(failure);
      return { kept, watched };
    }
    const { kept, watched } = await run();
    expect(await survivors(watched)).toEqual([]);
    expect(kept.state).toBe("closed");
  });
});

describe("a group that was dropped", () => {
  it("has the failure of a task told that failed before its first await (L2)", async () => {
    using reports = captureReports();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    try {
      const boom = new Error("boom");
      // Thrown in the synchronous part: the unread stack of such an error refers to the scope.
      (() => {
        new TaskGroup({ name: "early" }).spawn(() => {
          throw boom;
        });
        new TaskGroup({ name: "early, too" }).spawn(() => {
          throw new Error("bang");
        });
      })();
      await collectGarbage();
      const told = reports.map(({ error }) =>
        (error as TaskGroupError).errors.map((each) => (each as Error).message),
      );
      expect(told.sort()).toEqual([["bang"], ["boom"]]);
      expect(warn).toHaveBeenCalledTimes(2);
    } finally {
      warn.mockRestore();
    }
  });

  it.each<[string, (error: Error) => Error]>([
    ["a cause", (error) => new Error("failed", { cause: error })],
    ["a member", (error) => new AggregateError([error], "failed")],
    ["a cause that is its own", (error) => Object.assign(error, { cause: error })],
  ])("has the failure told that has %s from its tasks' synchronous part (L2)", async (_, failureOf) => {
    using reports = captureReports();
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    (() => {
      const group = new TaskGroup();
      const failures = [0, 1].map(() => {
        let early: Error | undefined;
        group.spawn(() => {
          early = new Error("early");
        });
        return failureOf(early!);
      });
      for (const failure of failures) group.spawn(() => Promise.reject(failure));
    })();
    await collectGarbage();
    expect(reports.map(({ error }) => (error as TaskGroupError).errors.length)).toEqual([2]);
  });

  afterEach(() => {
    setDebug(false);
    vi.restoreAllMocks();
  });

  /** Opens a group in a frame of its own, forgets it, and returns the warnings that came of it. */
  async function warningsOf(use: (group: TaskGroup) => unknown): Promise<string[]> {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    async function drop(): Promise<void> {
      await use(new TaskGroup({ name: "ingest" }));
      await macrotask();
    }
    await drop();
    await collectGarbage();
    await collectGarbage();
    return warn.mock.calls.map(([text]) => String(text));
  }

  it("is named in one warning, and what it has collected is told to the process-wide handler (L2)", async () => {
    using reports = captureReports();
    const failures = [new Error("one"), new Error("two")];
    const warnings = await warningsOf((group) => {
      for (const failure of failures) group.spawn(() => Promise.reject(failure));
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('TaskGroup "ingest"');
    expect(reports).toHaveLength(1);
    expect((reports[0]?.error as TaskGroupError).errors).toEqual(failures);
  });

  it("is named with the place where it was created while debugging", async () => {
    setDebug(true);
    const warnings = await warningsOf((group) => group.spawn(async () => undefined));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("leaks.test");
  });

  it.each<[string, (group: TaskGroup) => unknown]>([
    ["joined", (group) => group.join()],
    ["stopped", (group) => group.stop()],
    ["disposed of", (group) => group[Symbol.asyncDispose]()],
  ])("is not named when it was %s, and has told its failures there", async (_, end) => {
    using reports = captureReports();
    const failure = new Error("failed");
    let told: unknown;
    const warnings = await warningsOf(async (group) => {
      group.spawn(() => Promise.reject(failure));
      await Promise.resolve(end(group)).catch((error: unknown) => {
        told = error;
      });
    });
    expect(warnings).toEqual([]);
    expect(reports).toHaveLength(0);
    expect((told as TaskGroupError).errors).toEqual([failure]);
  });

  it("is not named when it got no task, or was used through run", async () => {
    expect(await warningsOf((group) => group.cancel())).toEqual([]);
    const used = await warningsOf(() =>
      TaskGroup.run((group) => {
        group.spawn(async () => undefined);
      }),
    );
    expect(used).toEqual([]);
  });

  it("has a fatal error told to the process-wide handler, next to the others (L2)", async () => {
    using reports = captureReports();
    const fatal = new FatalError("the end");
    const failure = new Error("failed");
    await warningsOf((group) => {
      group.spawn(() => Promise.reject(failure));
      group.spawn(() => Promise.reject(fatal));
    });
    const told = reports.flatMap(({ error }) => (error instanceof TaskGroupError ? error.errors : [error]));
    expect(told).toHaveLength(2);
    expect(told).toContain(fatal);
    expect(told).toContain(failure);
  });

  it("has told to it what failed after a stop that ran out of time, when nobody joins again (L2)", async () => {
    using reports = captureReports();
    const failure = new Error("failed");
    const blocked = new Deferred();
    await warningsOf(async (group) => {
      group.spawn(() => blocked.promise);
      await group.stop({ timeout: 1 }).catch(() => undefined);
      blocked.reject(failure);
    });
    const told = reports.flatMap(({ error }) => (error instanceof TaskGroupError ? error.errors : [error]));
    expect(told).toEqual([failure]);
  });
});
