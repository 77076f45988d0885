/** What is over and acknowledged is gone: heaps measured after a full collection, and objects that must be collectable. */
import { CancellationSource, TaskScope } from "@scope/core";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import { captureReports, growth, macrotask, survivors, waits, type Watched } from "@scope/test-utils";
import { describe, expect, it } from "vitest";

const MEGABYTE = 2 ** 20;
const BATCH = 100;

const one = async (): Promise<number> => {
  await Promise.resolve();
  return 1;
};

/** Spawns so many, a batch at a time, and calls back after each batch. */
async function spawnMany(
  group: PersistentTaskGroup,
  count: number,
  fn: (n: number) => Promise<unknown>,
  after: () => unknown = () => undefined,
): Promise<void> {
  for (let n = 0; n < count; n++) {
    group.spawn(() => fn(n), { logError: false });
    if (n % BATCH !== BATCH - 1) continue;
    await macrotask();
    await after();
  }
}

describe("one long-lived PersistentTaskGroup", { timeout: 60_000 }, () => {
  it("that is iterated keeps nothing of 1,000,000 tasks (L7)", async () => {
    const { token } = new CancellationSource();
    const group = new PersistentTaskGroup({ token });
    group.spawn(waits);
    let seen = 0;
    const grown = await growth(1_000_000, (count) =>
      spawnMany(group, count, one, async () => {
        for await (const task of group.asCompleted({ timeout: 0 })) if (task.status === "succeeded") seen++;
      }),
    );
    expect(seen).toBe(1_150_000);
    await group.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("that retains failures keeps nothing of 1,000,000 successes that nobody looks at", async () => {
    const group = new PersistentTaskGroup({ retain: "failures" });
    const grown = await growth(1_000_000, (count) => spawnMany(group, count, one));
    expect(group.tasks.size).toBe(0);
    await group.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 failures that were acknowledged, while one that was not stands before them", async () => {
    const group = new PersistentTaskGroup();
    const failure = new Error("failed");
    const first = group.spawn(() => Promise.reject(failure), { logError: false });
    await macrotask();
    const grown = await growth(100_000, (count) =>
      spawnMany(
        group,
        count,
        () => Promise.reject(failure),
        () => {
          for (const task of group.tasks) if (task !== first) group.acknowledge(task);
        },
      ),
    );
    expect([...group.tasks]).toEqual([first]);
    expect(grown).toBeLessThan(MEGABYTE);
    group.acknowledge(first);
  });

  it("keeps nothing of 100,000 loops that were left, timed out, or waited", async () => {
    const group = new PersistentTaskGroup();
    group.spawn(waits);
    group.spawn(one);
    await macrotask();
    const grown = await growth(100_000, async (count) => {
      for (let n = 0; n < count; n++) {
        for await (const task of group.asCompleted()) {
          expect(task.done).toBe(true);
          break;
        }
        const waiting = [group.asCompleted(), group.asCompleted({ timeout: 10_000 })];
        const steps = waiting.map((tasks) => tasks.next());
        await Promise.all(waiting.map((tasks) => tasks.return()));
        await Promise.all(steps);
        if (n % BATCH === 0) await macrotask();
      }
    });
    await group.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 cancellations, joins and stops", async () => {
    const group = new PersistentTaskGroup();
    const grown = await growth(100_000, async (count) => {
      for (let n = 0; n < count; n++) {
        group.spawn(waits);
        if (n % 2 === 0) group.cancel();
        await group.stop();
      }
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 100,000 tasks that it has lent, nor does their owner", async () => {
    const scope = new TaskScope({ concurrency: 10 });
    const group = new PersistentTaskGroup({ spawner: scope, retain: "failures" });
    const grown = await growth(100_000, (count) => spawnMany(group, count, one));
    await group.stop();
    await scope.stop();
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("lets go of a task that was acknowledged, however it was", async () => {
    const group = new PersistentTaskGroup();
    const watched: Watched = {};
    const spawn = (name: string): void => {
      const fn = (): Promise<number> => one();
      watched[`${name}'s function`] = new WeakRef(fn);
      watched[name] = new WeakRef(group.spawn(fn, { name }));
    };
    spawn("one of a loop");
    spawn("one of a loop that was left");
    const look = async (): Promise<void> => {
      const tasks = group.asCompleted();
      for (let step = await tasks.next(); step.done !== true; step = await tasks.next()) {
        if (!step.value.name.endsWith("left")) continue;
        group.acknowledge(step.value);
        break;
      }
      await tasks.return();
    };
    await look();
    spawn("one told by join");
    await group.join();
    const other = group.spawn(one);
    spawn("one acknowledged");
    await group.spawn(one);
    for (const task of group.tasks) if (task.name.endsWith("acknowledged")) group.acknowledge(task);
    expect(await survivors(watched)).toEqual([]);
    expect(group.tasks.has(other)).toBe(true);
  });
});

describe("one long-lived token", { timeout: 60_000 }, () => {
  it("keeps nothing of 20,000 groups and services that ended under it (L7)", async () => {
    const { token } = new CancellationSource();
    class Short extends ServiceBase {
      protected override async main(): Promise<void> {
        await one();
      }
    }
    const grown = await growth(20_000, async (count) => {
      for (let n = 0; n < count; n++) {
        await PersistentTaskGroup.run((group) => void group.spawn(one), { token });
        await using service = new Short({ token });
        service.start();
        await service.ended();
      }
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });
});

describe("one service", { timeout: 60_000 }, () => {
  it("keeps nothing of 20,000 starts and stops", async () => {
    class Long extends ServiceBase {
      protected override async main(token: Parameters<typeof waits>[0]): Promise<void> {
        await waits(token);
      }
    }
    const group = new ServiceGroup([new Long(), new Long()]);
    const grown = await growth(20_000, async (count) => {
      for (let n = 0; n < count; n++) {
        group.start();
        await group.ready();
        await group.stop();
      }
    });
    expect(grown).toBeLessThan(MEGABYTE);
  });

  it("keeps nothing of 1,000 restarts in a group", async () => {
    using reports = captureReports();
    class Crashing extends ServiceBase {
      crashes = 0;
      protected override async main(): Promise<void> {
        this.crashes++;
        await macrotask();
        throw new Error("crashed");
      }
    }
    const service = new Crashing();
    const group = new ServiceGroup([service], { onEnd: () => "restart", restartDelay: 0 });
    group.start();
    const grown = await growth(1_000, async (count) => {
      const until = service.crashes + count;
      while (service.crashes < until) {
        reports.length = 0;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    await group.stop().catch(() => undefined);
    expect(grown).toBeLessThan(MEGABYTE);
  });
});
