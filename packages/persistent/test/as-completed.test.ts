import { CancellationSource, Task, TaskGroupError } from "@scope/core";
import { type CompletedTasks, PersistentTaskGroup } from "@scope/persistent";
import { Deferred, EventLog, flushMicrotasks, macrotask, rejection, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");

/** A task that ends when it is told to. */
function gated(
  group: PersistentTaskGroup,
  name: string,
): { task: Task<unknown>; end: () => void; fail: () => void } {
  const gate = new Deferred();
  const task = group.spawn((token) => token.race(gate.promise), { name, logError: false });
  return {
    task,
    end: () => {
      gate.resolve();
    },
    fail: () => {
      gate.reject(boom);
    },
  };
}

function short({ name }: Task<unknown>): string {
  return name.slice(name.lastIndexOf(":") + 1);
}

/** The names of what an iteration hands out until it ends. */
async function drain(tasks: CompletedTasks): Promise<string[]> {
  const names: string[] = [];
  for await (const task of tasks) names.push(short(task));
  return names;
}

/** The next one's name; a step as it is would be in order too, but who returns a task returns what it comes to. */
async function nextName(tasks: CompletedTasks): Promise<string | undefined> {
  const step = await tasks.next();
  return step.done === true ? undefined : short(step.value);
}

afterEach(() => {
  vi.useRealTimers();
});

describe("asCompleted", () => {
  it("hands out what has ended, whichever way, in the order of the ends, as the tasks themselves", async () => {
    const group = new PersistentTaskGroup();
    const [a, b, c] = [gated(group, "a"), gated(group, "b"), gated(group, "c")];
    b.fail();
    await flushMicrotasks();
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const task of group.asCompleted()) {
        expect(task).toBeInstanceOf(Task);
        seen.push([short(task), task.status]);
      }
    })();
    await flushMicrotasks();
    expect(seen).toEqual([["b", "failed"]]);
    c.task.cancel();
    await flushMicrotasks();
    a.end();
    await loop;
    expect(seen).toEqual([
      ["b", "failed"],
      ["c", "cancelled"],
      ["a", "succeeded"],
    ]);
    expect(group.tasks.size).toBe(0);
    await expect(group.join()).resolves.toBeUndefined();
  });

  it("ends at once if nothing runs and nothing waits", async () => {
    expect(await drain(new PersistentTaskGroup().asCompleted())).toEqual([]);
  });

  it("sees what is spawned meanwhile, by the loop, by tasks and by their listeners", async () => {
    const group = new PersistentTaskGroup();
    group.spawn(() => void group.spawn(() => 1, { name: "grandchild" }), { name: "child" });
    group
      .spawn(() => flushMicrotasks(), { name: "last" })
      .onDone(() => {
        group.spawn(() => flushMicrotasks(), { name: "after the last" });
      });
    const names: string[] = [];
    for await (const task of group.asCompleted()) {
      names.push(short(task));
      if (short(task) === "after the last") group.spawn(() => flushMicrotasks(), { name: "by the loop" });
    }
    expect(names).toEqual(["grandchild", "child", "last", "after the last", "by the loop"]);
  });

  it("does not end while a task runs that another loop has taken nothing from", async () => {
    const group = new PersistentTaskGroup();
    const a = gated(group, "a");
    const loop = drain(group.asCompleted());
    const log = new EventLog();
    void loop.then(log.note("ended"));
    await macrotask();
    expect(log.take()).toEqual([]);
    a.end();
    expect(await loop).toEqual(["a"]);
  });

  describe("acknowledges", () => {
    it("a task when the loop comes back for the next one, and not before", async () => {
      const group = new PersistentTaskGroup();
      const tasks = [group.spawn(() => 1), group.spawn(() => 2)];
      await flushMicrotasks();
      const left: unknown[] = [];
      for await (const task of group.asCompleted())
        left.push([...group.tasks].indexOf(task), group.tasks.size);
      expect(left).toEqual([0, 2, 0, 1]);
      expect(tasks.map((task) => group.acknowledge(task))).toEqual([false, false]);
    });

    it.each(["break", "throw", "return"])(
      "nothing that a loop has in hand that is left by %s",
      async (way) => {
        const group = new PersistentTaskGroup();
        for (const name of ["a", "b", "c"]) group.spawn(() => 1, { name });
        await flushMicrotasks();
        const leave = async (): Promise<void> => {
          for await (const task of group.asCompleted()) {
            if (short(task) === "a") continue;
            if (way === "break") break;
            if (way === "throw") throw boom;
            return;
          }
        };
        await leave().catch(() => undefined);
        expect(Array.from(group.tasks, short).sort()).toEqual(["b", "c"]);
        // It goes to whoever asks next.
        expect(await drain(group.asCompleted())).toEqual(["b", "c"]);
      },
    );

    it("nothing twice: what was acknowledged in between is passed over", async () => {
      const group = new PersistentTaskGroup();
      const tasks = ["a", "b", "c", "d"].map((name) => group.spawn(() => 1, { name }));
      await flushMicrotasks();
      const names: string[] = [];
      for await (const task of group.asCompleted()) {
        names.push(short(task));
        if (task !== tasks[0]) continue;
        expect(group.acknowledge(tasks[0])).toBe(true);
        expect(group.acknowledge(tasks[2]!)).toBe(true);
      }
      expect(names).toEqual(["a", "b", "d"]);
    });

    it("what is acknowledged while the loop holds it does not come back when the loop is left", async () => {
      const group = new PersistentTaskGroup();
      group.spawn(() => 1, { name: "a" });
      await flushMicrotasks();
      for await (const task of group.asCompleted()) {
        expect(group.acknowledge(task)).toBe(true);
        break;
      }
      expect(await drain(group.asCompleted())).toEqual([]);
    });

    it("join tells of what a loop holds, which is then nobody's", async () => {
      const group = new PersistentTaskGroup();
      const task = group.spawn(() => Promise.reject(boom), { logError: false });
      const tasks = group.asCompleted();
      await tasks.next();
      expect(await rejection(group.join())).toBeInstanceOf(TaskGroupError);
      expect(group.acknowledge(task)).toBe(false);
      await tasks.return();
      expect(group.tasks.size).toBe(0);
    });
  });

  describe("two iterations", () => {
    it("never get the same task, waiting or not", async () => {
      const group = new PersistentTaskGroup();
      for (let n = 0; n < 10; n++) group.spawn(() => flushMicrotasks(n * 7), { name: String(n) });
      const [one, two] = await Promise.all([drain(group.asCompleted()), drain(group.asCompleted())]);
      expect([...one, ...two].map(Number).sort((a, b) => a - b)).toEqual([...Array(10).keys()]);
      expect(one.length).toBeGreaterThan(0);
      expect(two.length).toBeGreaterThan(0);
    });

    it("that wait are served in the order in which they began to", async () => {
      const group = new PersistentTaskGroup();
      const [a, b] = [gated(group, "a"), gated(group, "b")];
      const [first, second] = [nextName(group.asCompleted()), nextName(group.asCompleted())];
      await flushMicrotasks();
      b.end();
      await flushMicrotasks();
      a.end();
      expect(await Promise.all([first, second])).toEqual(["b", "a"]);
    });

    it("get what the other gives back, at once if they wait", async () => {
      const group = new PersistentTaskGroup();
      const running = gated(group, "running");
      group.spawn(() => 1, { name: "a" });
      await flushMicrotasks();
      const [one, two] = [group.asCompleted(), group.asCompleted()];
      expect(await nextName(one)).toBe("a");
      const waiting = nextName(two);
      await flushMicrotasks();
      await one.return();
      expect(await waiting).toBe("a");
      running.end();
      await group.join();
    });

    it("one in the other end both, though the outer one holds a task", async () => {
      const group = new PersistentTaskGroup();
      for (const name of ["a", "b", "c"]) group.spawn(() => flushMicrotasks(), { name });
      const names: string[] = [];
      for await (const outer of group.asCompleted()) {
        names.push(`outer ${short(outer)}`);
        for await (const inner of group.asCompleted()) names.push(`inner ${short(inner)}`);
      }
      expect(names).toEqual(["outer a", "inner b", "inner c"]);
      expect(group.tasks.size).toBe(0);
    });
  });

  describe("next() that is not waited for", () => {
    it("goes one step after another", async () => {
      const group = new PersistentTaskGroup();
      for (const name of ["a", "b"]) group.spawn(() => flushMicrotasks(), { name });
      const tasks = group.asCompleted();
      const names = await Promise.all([nextName(tasks), nextName(tasks), nextName(tasks), nextName(tasks)]);
      expect(names).toEqual(["a", "b", undefined, undefined]);
      expect(group.tasks.size).toBe(0);
    });

    it("is done when the iteration is left meanwhile, and has taken nothing", async () => {
      const group = new PersistentTaskGroup();
      const a = gated(group, "a");
      const tasks = group.asCompleted();
      const waiting = [nextName(tasks), nextName(tasks)];
      await flushMicrotasks();
      expect(await tasks.return()).toEqual({ done: true, value: undefined });
      expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
      expect(await nextName(tasks)).toBeUndefined();
      a.end();
      expect(await drain(group.asCompleted())).toEqual(["a"]);
    });

    it("and an end at the same moment as return: the task is not lost", async () => {
      for (let turns = 0; turns < 12; turns++) {
        const group = new PersistentTaskGroup();
        const a = gated(group, "a");
        const tasks = group.asCompleted();
        const waiting = tasks.next();
        await flushMicrotasks();
        a.end();
        await flushMicrotasks(turns);
        await tasks.return();
        const { done } = await waiting;
        expect([done, group.tasks.has(a.task)], `after ${turns} turns`).toEqual([done, true]);
        expect(await drain(group.asCompleted())).toEqual(["a"]);
      }
    });
  });

  it("has put back what it holds when return() is called, also through await using", async () => {
    const group = new PersistentTaskGroup();
    group.spawn(() => 1, { name: "a" });
    await flushMicrotasks();
    const block = async (): Promise<void> => {
      await using tasks = group.asCompleted();
      expect(await nextName(tasks)).toBe("a");
    };
    await block();
    expect(await drain(group.asCompleted())).toEqual(["a"]);
  });

  it("is its own iterator", () => {
    const tasks = new PersistentTaskGroup().asCompleted();
    expect(tasks[Symbol.asyncIterator]()).toBe(tasks);
  });

  describe("timeout", () => {
    it("is the longest wait for each next one; then the iteration just ends", async () => {
      vi.useFakeTimers();
      const group = new PersistentTaskGroup();
      const [a, b, c] = [gated(group, "a"), gated(group, "b"), gated(group, "c")];
      const loop = drain(group.asCompleted({ timeout: 100 }));
      await vi.advanceTimersByTimeAsync(99);
      a.end();
      await vi.advanceTimersByTimeAsync(99);
      b.end();
      await vi.advanceTimersByTimeAsync(99);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(await loop).toEqual(["a", "b"]);
      expect(vi.getTimerCount()).toBe(0);
      c.end();
      expect(await drain(group.asCompleted())).toEqual(["c"]);
    });

    it("does not count the time that the loop takes", async () => {
      vi.useFakeTimers();
      const group = new PersistentTaskGroup();
      const [a, b] = [gated(group, "a"), gated(group, "b")];
      a.end();
      const names: string[] = [];
      const loop = (async () => {
        for await (const task of group.asCompleted({ timeout: 100 })) {
          names.push(short(task));
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      })();
      await vi.advanceTimersByTimeAsync(1000);
      await vi.advanceTimersByTimeAsync(50);
      b.end();
      await vi.advanceTimersByTimeAsync(1000);
      await loop;
      expect(names).toEqual(["a", "b"]);
    });

    it("of 0 polls: hands out what waits, and waits for nothing", async () => {
      vi.useFakeTimers();
      const group = new PersistentTaskGroup();
      const c = gated(group, "c");
      group.spawn(() => 1, { name: "a" });
      group.spawn(() => 1, { name: "b" });
      await flushMicrotasks();
      expect(await drain(group.asCompleted({ timeout: 0 }))).toEqual(["a", "b"]);
      expect(await drain(group.asCompleted({ timeout: 0 }))).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
      c.end();
      await group.join();
    });

    it.each([2 ** 31, 2 ** 40, Infinity])("of %d does not end early", async (timeout) => {
      vi.useFakeTimers();
      const group = new PersistentTaskGroup();
      const a = gated(group, "a");
      const loop = drain(group.asCompleted({ timeout }));
      await vi.advanceTimersByTimeAsync(2 ** 31 - 1);
      a.end();
      expect(await loop).toEqual(["a"]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("and an end in the same moment: the task is handed out, now or later", async () => {
      vi.useFakeTimers();
      for (const turns of [0, 1, 2, 3, 4, 5, 6, 8, 10]) {
        const group = new PersistentTaskGroup();
        const a = gated(group, "a");
        const loop = drain(group.asCompleted({ timeout: 10 }));
        await flushMicrotasks();
        a.end();
        await flushMicrotasks(turns);
        vi.advanceTimersByTime(10);
        expect([...(await loop), ...(await drain(group.asCompleted()))]).toEqual(["a"]);
      }
    });

    it("refuses anything but milliseconds, before it begins (L11)", () => {
      const group = new PersistentTaskGroup();
      expect(() => group.asCompleted({ timeout: Number.NaN })).toThrow(RangeError);
      expect(() => group.asCompleted({ timeout: "5" as never })).toThrow(/`timeout`.*milliseconds/);
    });
  });

  it("ends when the group is cancelled from outside, having handed out what was cancelled", async () => {
    const outer = new CancellationSource();
    const group = new PersistentTaskGroup({ token: outer.token });
    group.spawn(waits, { name: "a" });
    group.spawn(waits, { name: "b" });
    const loop = drain(group.asCompleted());
    await flushMicrotasks();
    outer.cancel();
    // The newest is asked first, and ends first.
    expect(await loop).toEqual(["b", "a"]);
  });

  it("ends when the group is stopped meanwhile", async () => {
    const group = new PersistentTaskGroup();
    group.spawn(waits, { name: "a" });
    const loop = drain(group.asCompleted());
    await flushMicrotasks();
    await group.stop();
    expect((await loop).length).toBeLessThanOrEqual(1);
    expect(group.tasks.size).toBe(0);
  });
});
