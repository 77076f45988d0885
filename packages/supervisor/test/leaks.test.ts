/** What is over is gone: heaps measured after a full collection, and objects that must be collectable. */
import { getEventListeners } from "node:events";
import { CancellationSource, type Task, type TaskFunction } from "@scope/core";
import { Supervisor, asCompleted, gather, race } from "@scope/supervisor";
import {
  captureReports,
  collectGarbage,
  Deferred,
  growth,
  heapUsed,
  inBatches,
  macrotask,
  waits,
} from "@scope/test-utils";
import { describe, expect, it } from "vitest";

const MEGABYTE = 2 ** 20;
/** So many at once, where they are not done one after another. */
const BATCH = 100;

const one = async (): Promise<number> => {
  await Promise.resolve();
  return 1;
};

describe("one long-lived token", { timeout: 60_000 }, () => {
  it("keeps nothing of 100,000 races under it (L7)", async () => {
    const { token } = new CancellationSource();
    const grown = await growth(100_000, (count) => inBatches(count, () => race([one, waits], { token })));
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 gathers under it (L7)", async () => {
    const { token } = new CancellationSource();
    const fns = [one, () => Promise.reject(new Error("failed"))];
    const grown = await growth(100_000, (count) => inBatches(count, () => gather(fns, { token })));
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 50,000 loops under it, whether they went to the end or were left", async () => {
    const { token } = new CancellationSource();
    const loop = async (left: boolean): Promise<void> => {
      const tasks = asCompleted([one, left ? waits : one], { token });
      await tasks.next();
      if (left) await tasks.return();
      else while ((await tasks.next()).done !== true);
    };
    const grown = await growth(50_000, (count) =>
      inBatches(count / 2, () => Promise.all([loop(true), loop(false)])),
    );
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("that is an AbortSignal has one listener at most, and none afterwards", async () => {
    const { signal } = new AbortController();
    let most = 0;
    const fn = async (): Promise<void> => {
      most = Math.max(most, getEventListeners(signal, "abort").length);
      await Promise.resolve();
    };
    const options = { token: signal };
    await inBatches(1000, async () => {
      await Promise.all([
        race([fn, waits], options),
        gather([fn], options),
        asCompleted([fn], options).next(),
      ]);
    });
    await collectGarbage();
    expect(most).toBe(1);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});

describe("one long-lived Supervisor", { timeout: 60_000 }, () => {
  it("keeps nothing of 1,000,000 short children (L7)", async () => {
    const { token } = new CancellationSource();
    const supervisor = new Supervisor({ token });
    supervisor.supervise(waits, { name: "always there" });
    const grown = await growth(1_000_000, async (count) => {
      for (let n = 0; n < count; n++) {
        supervisor.spawn(one);
        if (n % BATCH === 0) await macrotask();
      }
      await macrotask();
    });
    expect(supervisor.size).toBe(1);
    await supervisor.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 short children that failed, or waited for a slot", async () => {
    using reports = captureReports();
    const supervisor = new Supervisor({ concurrency: 10, onError: () => undefined });
    const failure = new Error("failed");
    const grown = await growth(100_000, async (count) => {
      for (let n = 0; n < count; n++) {
        supervisor.spawn(() => (n % 2 === 0 ? one() : Promise.reject(failure)));
        if (n % BATCH === 0) await macrotask();
      }
      await macrotask();
    });
    expect(supervisor.size).toBe(0);
    await supervisor.join();
    expect(reports).toHaveLength(0);
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 20,000 restarts", async () => {
    const supervisor = new Supervisor({ maxRestarts: Infinity, onError: "ignore" });
    const reached = new Map<number, Deferred>();
    let attempts = 0;
    supervisor.supervise(
      async () => {
        reached.get(++attempts)?.resolve();
        if (attempts % BATCH === 0) await macrotask();
        throw new Error("failed");
      },
      { name: "crasher" },
    );
    const grown = await growth(20_000, async (count) => {
      const wanted = attempts + count;
      const deferred = new Deferred();
      reached.set(wanted, deferred);
      await deferred.promise;
      reached.delete(wanted);
    });
    await supervisor.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 20,000 temporary children", async () => {
    const supervisor = new Supervisor();
    let name = 0;
    const grown = await growth(20_000, async (count) => {
      for (let n = 0; n < count; n++) {
        supervisor.supervise(one, { name: `child ${++name}`, restart: "temporary" });
        if (n % BATCH === 0) await macrotask();
      }
      await macrotask();
    });
    expect([...supervisor.children()]).toEqual([]);
    await supervisor.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

describe("one long-lived loop", { timeout: 60_000 }, () => {
  it("of asCompleted keeps nothing of 100,000 functions while it goes on", async () => {
    const { token } = new CancellationSource();
    function* fns(): Generator<TaskFunction<number>> {
      for (let n = 0; n < 110_000; n++) yield one;
    }
    const tasks = asCompleted(fns(), { token, concurrency: 2 });
    let count = 0;
    let before = 0;
    let grown = Infinity;
    while ((await tasks.next()).done !== true) {
      count++;
      if (count === 10_000) before = await heapUsed();
      if (count === 109_000) grown = (await heapUsed()) - before;
    }
    expect(count).toBe(110_000);
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("of asCompleted lets go of a task that was handed out, and of its function", async () => {
    const watched: Record<string, WeakRef<object>> = {};
    async function begin(): Promise<AsyncIterableIterator<Task<unknown>>> {
      const fn = (): Promise<number> => one();
      watched["function"] = new WeakRef(fn);
      const list: TaskFunction<unknown>[] = [waits, fn];
      function* fns(): Generator<TaskFunction<unknown>> {
        while (list.length > 0) yield list.pop()!;
      }
      const tasks = asCompleted(fns());
      const step: IteratorResult<object, unknown> = await tasks.next();
      watched["task"] = new WeakRef(step.value as object);
      return tasks;
    }
    const tasks = await begin();
    await collectGarbage();
    expect(Object.keys(watched).filter((name) => watched[name]!.deref() !== undefined)).toEqual([]);
    await tasks.return!();
  });
});
