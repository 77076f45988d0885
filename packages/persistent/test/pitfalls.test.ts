/**
 * Situations that other projects had to mend, as far as they concern persistent groups and services. The rest, the numbers
 * that apply to nothing yet and why, are in `packages/core/test/pitfalls.test.ts`.
 */
import {
  CancellationSource,
  type CancellationToken,
  type Task,
  type TaskGroupError,
  TaskScope,
  cancelAndWait,
} from "@scope/core";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import {
  Deferred,
  EventLog,
  flushMicrotasks,
  macrotask,
  rejection,
  survivors,
  waits,
} from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");
const quiet = { logError: false };

class Worker extends ServiceBase {
  readonly #log: EventLog;
  readonly #main: (token: CancellationToken) => Promise<unknown>;
  ready?: () => Promise<void>;

  constructor(uniqueId: string, log: EventLog, main: (token: CancellationToken) => Promise<unknown> = waits) {
    super({ uniqueId });
    this.#log = log;
    this.#main = main;
  }

  protected override async main(token: CancellationToken): Promise<void> {
    this.#log.add(`${this.uniqueId} starts`);
    const forget = token.onCancel(this.#log.note(`${this.uniqueId} is asked`));
    try {
      await this.#main(token);
    } finally {
      forget();
      await flushMicrotasks();
      this.#log.add(`${this.uniqueId} ends`);
    }
  }
}

describe("where services start and stop", () => {
  it("27. a stop before the start stops nothing, and one while starting is remembered (swift-service-lifecycle#20)", async () => {
    const log = new EventLog();
    const gate = new Deferred();
    const [a, b, c] = ["a", "b", "c"].map((name) => new Worker(name, log)) as [Worker, Worker, Worker];
    b.ready = () => gate.promise;
    const group = new ServiceGroup([a, b, c]);
    await group.stop();
    expect(log.take()).toEqual([]);
    group.start();
    await flushMicrotasks();
    const stop = group.stop();
    gate.resolve();
    await stop;
    // c never started, and was never stopped.
    expect(log.take()).toEqual(["a starts", "b starts", "b is asked", "b ends", "a is asked", "a ends"]);
    expect([a, b, c].map(({ isRunning }) => isRunning)).toEqual([false, false, false]);
  });

  it("27. what stops in the synchronous part of its start is stopped (suture 3.0.1)", async () => {
    const log = new EventLog();
    let stopped: Promise<void> | undefined;
    const worker: Worker = new Worker("a", log, (token) => {
      stopped = worker.stop();
      return waits(token);
    });
    worker.start();
    await stopped;
    expect(worker.isRunning).toBe(false);
  });

  it("28. a service that ends out of turn during the shutdown is not taken for the one being stopped (swift-service-lifecycle#171)", async () => {
    const log = new EventLog();
    const [leave, gate] = [new Deferred(), new Deferred()];
    const group = new ServiceGroup([
      new Worker("a", log),
      new Worker("b", log, (token) => token.race(gate.promise)),
      new Worker("c", log, (token) => waits(token).catch(() => leave.promise)),
    ]);
    group.start();
    await group.ready();
    log.take();
    const stop = group.stop();
    gate.resolve();
    await macrotask();
    // c is still being stopped: a has to wait.
    expect(log.take().sort()).toEqual(["b ends", "c is asked"]);
    leave.resolve();
    await stop;
    expect(log.take()).toEqual(["c ends", "a is asked", "a ends"]);
  });

  const endings: Record<string, (group: ServiceGroup, outer: CancellationSource, last: Deferred) => unknown> =
    {
      "stop()": (group) => void group.stop(),
      "cancel()": (group) => {
        group.cancel();
      },
      disposal: (group) => void group[Symbol.asyncDispose](),
      "an outer cancellation": (_, outer) => {
        outer.cancel();
      },
      "a service that ends": (_group, _outer, last) => {
        last.resolve();
      },
    };
  it.each(Object.entries(endings))(
    "29. %s stops services in the same order (swift-service-lifecycle#232)",
    async (_, end) => {
      const log = new EventLog();
      const outer = new CancellationSource();
      const last = new Deferred();
      const services = ["a", "b", "c"].map((name) => new Worker(name, log));
      const group = new ServiceGroup(
        [...services, new Worker("last", log, (token) => token.race(last.promise))],
        {
          token: outer.token,
        },
      );
      group.start();
      await group.ready();
      end(group, outer, last);
      await Promise.allSettled([group.join()]);
      const events = log.take().filter((event) => !event.startsWith("last") && !event.endsWith("starts"));
      expect(events).toEqual(["c is asked", "c ends", "b is asked", "b ends", "a is asked", "a ends"]);
    },
  );
});

describe("where somebody waits", () => {
  it("34. who is cancelled while waiting for a stop stays cancelled, and is not kept waiting (frequenz, cpython#103486)", async () => {
    const release = new Deferred();
    const group = new PersistentTaskGroup();
    const child = group.spawn((token) => waits(token).finally(() => release.promise));
    await TaskScope.run(async (scope) => {
      for (const wait of [() => group.stop(), () => group.join(), () => cancelAndWait(child)]) {
        const caller = scope.spawn((token) => token.race(wait()));
        await flushMicrotasks();
        caller.cancel("the caller");
        await flushMicrotasks();
        expect([caller.status, child.done]).toEqual(["cancelled", false]);
        expect(caller.error).toMatchObject({ reason: "the caller" });
      }
    });
    release.resolve();
    await group.stop();
    expect(child.status).toBe("cancelled");
  });

  it("34. a group under its caller's token tells the caller's cancellation, not a group error of it (frequenz)", async () => {
    await TaskScope.run(async (scope) => {
      const log = new EventLog();
      class Service extends ServiceBase {
        protected override main = (token: CancellationToken): Promise<void> => waits(token);
      }
      for (const open of [
        (token: CancellationToken) => {
          const group = new PersistentTaskGroup({ token });
          group.spawn(waits);
          return group;
        },
        (token: CancellationToken) => {
          const service = new Service({ token });
          service.start();
          return service;
        },
      ]) {
        const caller = scope.spawn((token) => open(token).join());
        await flushMicrotasks();
        caller.cancel("the caller");
        await flushMicrotasks();
        log.add(caller.status);
      }
      expect(log.take()).toEqual(["cancelled", "cancelled"]);
    });
  });

  it("35. the clean-up of what is being stopped is not cut short by a second request", async () => {
    const log = new EventLog();
    const release = new Deferred();
    const group = new PersistentTaskGroup();
    group.spawn(async (token) => {
      token.onCancel(log.note("asked"));
      try {
        await waits(token);
      } finally {
        await release.promise;
        log.add("cleaned up");
      }
    });
    const stops = [group.stop({ reason: "first" }), group.stop({ reason: "second" })];
    group.cancel("third");
    await flushMicrotasks();
    expect(log.take()).toEqual(["asked"]);
    release.resolve();
    await Promise.all(stops);
    expect(log.take()).toEqual(["cleaned up"]);
  });

  it("39. a task that swallows the request and returns is told as it is, and nobody hangs (aiotools#92)", async () => {
    const group = new PersistentTaskGroup();
    const task = group.spawn((token) => waits(token).catch(() => "swallowed"));
    await group.stop();
    expect([task.status, task.result()]).toEqual(["succeeded", "swallowed"]);
    const other = group.spawn((token) => waits(token).catch(() => "swallowed"));
    await expect(cancelAndWait(other)).rejects.toThrow(/was cancelled, but returned a value/);
    await group.stop();
  });
});

describe("where tasks spawn and end", () => {
  it("36. what spawns in its clean-up does not keep stop from ending (frequenz hangs)", async () => {
    for (const stop of [
      (group: PersistentTaskGroup) => group.stop(),
      (group: PersistentTaskGroup) => group[Symbol.asyncDispose](),
    ]) {
      const late: Task<unknown>[] = [];
      const group = new PersistentTaskGroup();
      const hydra = async (token: CancellationToken): Promise<void> => {
        try {
          await waits(token);
        } finally {
          late.push(group.spawn(hydra), group.spawn(hydra));
        }
      };
      group.spawn(hydra);
      await stop(group);
      await flushMicrotasks();
      expect(late.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    }
  });

  it("36. nor does a loop that starts everything again, nor leaving the body of run", async () => {
    const starts = vi.fn();
    const again = (token: CancellationToken): Promise<void> => {
      starts();
      return waits(token);
    };
    const group = new PersistentTaskGroup();
    group.spawn(again);
    const loop = (async () => {
      for await (const task of group.asCompleted()) {
        expect(task.status).toBe("cancelled");
        group.spawn(again);
      }
    })();
    await flushMicrotasks();
    await group.stop();
    await PersistentTaskGroup.run((own) => {
      own.spawn((token) =>
        again(token).finally(() => {
          own.spawn(again);
        }),
      );
    });
    group.cancel();
    await group.stop();
    await loop;
    expect(starts.mock.calls.length).toBeLessThanOrEqual(3);
  });

  it("37. nobody iterates: with retain: failures nothing is kept of what succeeds (frequenz keeps 1,000 of 1,000)", async () => {
    const group = new PersistentTaskGroup({ retain: "failures" });
    const watched: Record<string, WeakRef<object>> = {};
    for (let n = 0; n < 1_000; n++) watched[n] = new WeakRef(group.spawn(() => n));
    const failed = group.spawn(() => Promise.reject(boom), quiet);
    await macrotask();
    expect(await survivors(watched)).toEqual([]);
    expect([...group.tasks]).toEqual([failed]);
    expect(group.acknowledge(failed)).toBe(true);
  });

  it("38. a loop that is left keeps its task for the next, and two loops share none (frequenz)", async () => {
    const group = new PersistentTaskGroup();
    const tasks = [group.spawn(() => 1), group.spawn(() => 2)];
    await flushMicrotasks();
    const taken: Task<unknown>[] = [];
    for await (const task of group.asCompleted()) {
      taken.push(task);
      for await (const other of group.asCompleted()) {
        taken.push(other);
        break;
      }
      break;
    }
    expect(new Set(taken)).toEqual(new Set(tasks));
    expect(group.tasks).toEqual(new Set(tasks));
    expect(taken.map((task) => group.acknowledge(task))).toEqual([true, true]);
  });

  it("48. what has ended and nobody reads does not grow for ever: acknowledged it is gone", async () => {
    const group = new PersistentTaskGroup();
    const watched: Record<string, WeakRef<object>> = {};
    for (let n = 0; n < 100; n++) watched[n] = new WeakRef(group.spawn(() => Promise.reject(boom), quiet));
    await macrotask();
    expect(group.tasks.size).toBe(100);
    expect(((await rejection(group.join())) as TaskGroupError).errors).toHaveLength(100);
    expect(await survivors(watched)).toEqual([]);
  });
});

describe("what frequenz gets wrong", () => {
  it("leaving the body by an error: the group's failures come along, and do not replace it", async () => {
    const run = PersistentTaskGroup.run(async (group) => {
      group.spawn(() => Promise.reject(bang), quiet);
      await flushMicrotasks();
      throw boom;
    });
    expect(((await rejection(run)) as TaskGroupError).errors).toEqual([boom, bang]);
    const block = async (): Promise<void> => {
      await using group = new PersistentTaskGroup();
      group.spawn(() => Promise.reject(bang), quiet);
      await flushMicrotasks();
      throw boom;
    };
    const error = (await rejection(block())) as SuppressedError;
    expect(error.suppressed).toBe(boom);
  });

  /** Milliseconds that it takes to spawn so many, and then to do the work; the shortest of three. */
  /** Milliseconds of the processor's, where they are told: a busy machine takes none of them. */
  function spent(): number {
    if (globalThis.process?.cpuUsage === undefined) return performance.now();
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  async function duration(
    count: number,
    work: (group: PersistentTaskGroup) => Promise<unknown>,
  ): Promise<number> {
    const group = new PersistentTaskGroup();
    for (let n = 0; n < count; n++) group.spawn(() => undefined);
    await macrotask();
    const before = spent();
    await work(group);
    const after = spent();
    expect(group.tasks.size).toBe(0);
    return after - before;
  }

  const works: Record<string, (group: PersistentTaskGroup) => Promise<unknown>> = {
    iteration: async (group) => {
      for await (const task of group.asCompleted()) expect.soft(task.done).toBe(true);
    },
    "taking one at a time": async (group) => {
      for (let left = true; left;) {
        const tasks = group.asCompleted();
        const step = await tasks.next();
        left = step.done !== true;
        if (step.done !== true) group.acknowledge(step.value);
        await tasks.return();
      }
    },
    stop: (group) => group.stop(),
  };
  it.each(Object.entries(works))(
    "%s is linear in the number of tasks",
    { timeout: 60_000 },
    async (name, work) => {
      const fast =
        name === "iteration"
          ? async (group: PersistentTaskGroup) => {
              let count = 0;
              for await (const task of group.asCompleted()) if (task.done) count++;
              return count;
            }
          : work;
      await duration(2_000, fast);
      // As many tasks in either, so that a busy machine slows both down.
      const ratios: number[] = [];
      do {
        let few = 0;
        for (let groups = 0; groups < 20; groups++) few += await duration(4_000, fast);
        ratios.push((await duration(80_000, fast)) / few);
      } while (ratios.at(-1)! >= 5 && ratios.length < 6);
      // If it were quadratic, it would take 20 times as long, each time.
      expect(Math.min(...ratios)).toBeLessThan(5);
    },
  );
});
