import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  Task,
  TaskGroupError,
  TaskScope,
  type TaskSpawner,
  TimeoutError,
} from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";
import { Supervisor } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import { captureReports, Deferred, EventLog, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const boom = new Error("boom");
const bang = new Error("bang");

const fails = (error: unknown) => (): Promise<never> => Promise.reject(error);

/** Its failures are not logged. */
function failing(group: PersistentTaskGroup, error: unknown, name = "failing"): Task<unknown> {
  return group.spawn(fails(error), { name, logError: false });
}

async function groupError(promise: Promise<unknown>): Promise<TaskGroupError> {
  const error = await rejection(promise);
  if (!(error instanceof TaskGroupError)) throw error;
  return error;
}

afterEach(() => {
  vi.useRealTimers();
});

describe("PersistentTaskGroup", () => {
  describe("names", () => {
    it("its tasks after its class, its id and them", async () => {
      class Workers extends PersistentTaskGroup {}
      const group = new Workers({ uniqueId: "north" });
      expect(group.uniqueId).toBe("north");
      expect(group.spawn(() => 1, { name: "fetch" }).name).toBe("Workers:north:fetch");
      expect(group.spawn(() => 1).name).toBe("Workers:north:task-1");
      expect(group.spawn(() => 1).name).toBe("Workers:north:task-2");
      await group.stop();
    });

    it("itself by an id of its own, if it is given none", () => {
      const [one, two] = [new PersistentTaskGroup(), new PersistentTaskGroup()];
      expect(one.uniqueId).not.toBe("");
      expect(one.uniqueId).not.toBe(two.uniqueId);
    });

    it("itself in text, with what runs and what waits", async () => {
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      group.spawn(waits);
      group.spawn(waits);
      group.spawn(() => 1);
      await flushMicrotasks();
      expect(String(group)).toMatchInlineSnapshot(`"PersistentTaskGroup:x (running: 2, waiting: 1)"`);
      await group.stop();
      expect(String(group)).toBe("PersistentTaskGroup:x (running: 0, waiting: 0)");
    });
  });

  describe("spawn", () => {
    it("calls the function at once, and returns before anything follows from its end (L6)", async () => {
      const log = new EventLog();
      const group = new PersistentTaskGroup();
      const task = group.spawn(() => {
        log.add("called");
        return "value";
      });
      log.add("spawned");
      expect([task.status, group.isRunning, [...group.tasks]]).toEqual(["running", true, [task]]);
      expect(log.take()).toEqual(["called", "spawned"]);
      expect(await task).toBe("value");
      expect([task.status, group.isRunning, [...group.tasks]]).toEqual(["succeeded", false, [task]]);
      await group.join();
      expect(group.tasks.size).toBe(0);
    });

    it("counts a function that is in its synchronous part", async () => {
      const group = new PersistentTaskGroup();
      let running = false;
      const task = group.spawn((token) => {
        running = group.isRunning;
        group.cancel("me too");
        return token.cancelRequested;
      });
      expect([running, await task]).toEqual([true, true]);
      await group.stop();
    });

    it("gives a task a token that descends from the group's (L8)", async () => {
      const outer = new CancellationSource();
      const group = new PersistentTaskGroup({ token: outer.token });
      const seen: unknown[] = [];
      const tasks: Task<unknown>[] = [];
      for (let n = 0; n < 3; n++) {
        tasks.push(
          group.spawn((token) => {
            token.onCancel(() =>
              seen.push([group.token.cancelRequested, ...tasks.map((task) => task.cancelRequested)]),
            );
            return waits(token);
          }),
        );
      }
      outer.cancel("enough");
      expect(seen).toEqual(Array(3).fill([true, true, true, true]));
      await group.stop();
    });

    it.each(["cancel", "stop"] as const)(
      "marks all tasks before %s calls anybody back (L8)",
      async (method) => {
        const group = new PersistentTaskGroup();
        const seen: unknown[] = [];
        const tasks: Task<unknown>[] = [];
        for (let n = 0; n < 3; n++) {
          tasks.push(
            group.spawn((token) => {
              const child = token.child();
              token.onCancel(() => {
                seen.push([child.token.cancelRequested, ...tasks.map((task) => task.cancelRequested)]);
              });
              return waits(token);
            }),
          );
        }
        await group[method]();
        expect(seen).toEqual(Array(3).fill([true, true, true, true]));
        await group.stop();
      },
    );

    it("is refused once the outer token is cancelled, and the function is never called", async () => {
      const outer = new CancellationSource();
      const group = new PersistentTaskGroup({ token: outer.token });
      const task = group.spawn((token) => waits(token).catch(() => flushMicrotasks()));
      outer.cancel();
      const fn = vi.fn();
      expect(() => group.spawn(fn)).toThrow(InvalidStateError);
      expect(() => group.spawn(fn)).toThrow(/is shutting down/);
      await task;
      await group.stop();
      expect(() => group.spawn(fn)).toThrow(InvalidStateError);
      expect(() => new PersistentTaskGroup({ token: AbortSignal.abort() }).spawn(fn)).toThrow(
        InvalidStateError,
      );
      expect(fn).not.toHaveBeenCalled();
    });

    it("is refused after disposal and after run, and allowed after cancel, join and stop", async () => {
      const group = new PersistentTaskGroup();
      group.cancel();
      expect(await group.spawn(() => 1)).toBe(1);
      await group.join();
      expect(await group.spawn(() => 2)).toBe(2);
      await group.stop();
      expect(await group.spawn(() => 3)).toBe(3);
      await group[Symbol.asyncDispose]();
      expect(() => group.spawn(() => 4)).toThrow(/is closed/);
      let escaped!: PersistentTaskGroup;
      await PersistentTaskGroup.run((entered) => {
        escaped = entered;
      });
      expect(() => escaped.spawn(() => 5)).toThrow(/is closed/);
      expect(escaped.token.cancelRequested).toBe(true);
    });

    it("refuses bad input before anything has started (L11)", () => {
      const group = new PersistentTaskGroup();
      expect(() => group.spawn("fn" as never)).toThrowErrorMatchingInlineSnapshot(
        `[TypeError: Expected \`fn\` to be a function, got fn (string)]`,
      );
      expect(group.tasks.size).toBe(0);
    });
  });

  describe("a failure", () => {
    it("disturbs nobody, is logged in one line with the task's name, and stays until it is acknowledged", async () => {
      using reports = captureReports();
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      const sibling = group.spawn(waits);
      const task = group.spawn(fails(boom), { name: "fetch" });
      expect(reports).toHaveLength(0);
      await flushMicrotasks();
      expect([...reports]).toMatchObject([
        { message: 'Error in task "PersistentTaskGroup:x:fetch"', error: boom, task },
      ]);
      expect([sibling.status, group.token.cancelRequested]).toEqual(["running", false]);
      expect([...group.tasks]).toEqual([task, sibling]);
      expect(group.acknowledge(task)).toBe(true);
      expect(group.acknowledge(task)).toBe(false);
      expect([...group.tasks]).toEqual([sibling]);
      await group.stop();
      expect(reports).toHaveLength(1);
    });

    it("is not logged with logError: false, nor are cancellations and successes", async () => {
      using reports = captureReports();
      const group = new PersistentTaskGroup();
      const task = failing(group, boom);
      group.spawn(waits).cancel();
      group.spawn(() => 1);
      await flushMicrotasks();
      expect(reports).toHaveLength(0);
      expect(group.acknowledge(task)).toBe(true);
      await group.stop();
    });

    it("of a synchronous throw comes a microtask later (L6)", async () => {
      using reports = captureReports();
      const group = new PersistentTaskGroup();
      const task = group.spawn(() => {
        throw boom;
      });
      expect([task.status, reports.length]).toEqual(["running", 0]);
      await flushMicrotasks();
      expect([task.status, reports.length]).toEqual(["failed", 1]);
      expect(group.acknowledge(task)).toBe(true);
    });

    it("that is somebody else's cancellation is one (L4)", async () => {
      const group = new PersistentTaskGroup();
      const foreign = new CancelledError("elsewhere");
      const task = failing(group, foreign);
      await flushMicrotasks();
      expect(task.status).toBe("failed");
      expect((await groupError(group.stop())).errors).toEqual([foreign]);
    });
  });

  describe("acknowledge", () => {
    it("takes no note of what runs, what is another group's, and what was acknowledged", async () => {
      const [group, other] = [new PersistentTaskGroup(), new PersistentTaskGroup()];
      const running = group.spawn(waits);
      const foreign = failing(other, boom);
      await flushMicrotasks();
      expect([group.acknowledge(running), group.acknowledge(foreign)]).toEqual([false, false]);
      expect(other.acknowledge(foreign)).toBe(true);
      await group.stop();
    });

    it("takes note of each kind of end", async () => {
      const group = new PersistentTaskGroup();
      const tasks = [group.spawn(() => 1), failing(group, boom), group.spawn(waits)];
      tasks[2]!.cancel();
      await flushMicrotasks();
      expect(tasks.map((task) => group.acknowledge(task))).toEqual([true, true, true]);
      await expect(group.join()).resolves.toBeUndefined();
    });
  });

  describe("join", () => {
    it("waits for all, what is spawned meanwhile included, and cancels nothing", async () => {
      const group = new PersistentTaskGroup();
      const [first, second] = [new Deferred(), new Deferred()];
      const log = new EventLog();
      group.spawn(async (token) => {
        await token.race(first.promise);
        group.spawn(() => second.promise);
      });
      const join = group.join().then(log.note("joined"));
      first.resolve();
      await flushMicrotasks();
      expect(log.take()).toEqual([]);
      second.resolve();
      await join;
      expect(log.take()).toEqual(["joined"]);
    });

    it("rejects with everything unacknowledged, cancellations included, in the order of the ends", async () => {
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      const gate = new Deferred();
      const last = group.spawn(() => gate.promise.then(fails(bang)), { logError: false });
      const first = failing(group, boom);
      const cancelled = group.spawn(waits);
      await flushMicrotasks();
      cancelled.cancel("alone");
      group.spawn(() => "fine");
      await flushMicrotasks();
      gate.resolve();
      const error = await groupError(group.join());
      expect(error.errors).toEqual([boom, cancelled.error, bang]);
      expect(error.tasks).toEqual([first, cancelled, last]);
      expect(error.message).toMatchInlineSnapshot(`
        "Error while stopping PersistentTaskGroup:x (3 sub-errors)
        boom
        alone
        bang"
      `);
      expect(group.tasks.size).toBe(0);
      await expect(group.join()).resolves.toBeUndefined();
    });

    it("has one entry for each failed task, be it the same error", async () => {
      const group = new PersistentTaskGroup();
      const tasks = [failing(group, boom), failing(group, boom)];
      const error = await groupError(group.join());
      expect([error.errors, error.tasks]).toEqual([[boom, boom], tasks]);
    });

    it("of several waits only the first to settle tells", async () => {
      const group = new PersistentTaskGroup();
      failing(group, boom);
      const settled = await Promise.allSettled([group.join(), group.join(), group.stop()]);
      expect(settled.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    });

    it("rejects with the outer cancellation if nothing failed, and with the failures otherwise (L5)", async () => {
      const outer = new CancellationSource();
      const group = new PersistentTaskGroup({ token: outer.token });
      group.spawn(waits);
      const join = rejection(group.join());
      outer.cancel("outer");
      expect(await join).toBe(outer.token.error);

      const again = new CancellationSource();
      const other = new PersistentTaskGroup({ token: again.token });
      const task = other.spawn((token) => waits(token).catch(fails(boom)), { logError: false });
      const joined = groupError(other.join());
      again.cancel("outer");
      expect((await joined).tasks).toEqual([task]);
    });
  });

  describe("stop", () => {
    it("cancels with the reason, waits, and leaves cancellations out", async () => {
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      const log = new EventLog();
      const cancelled = group.spawn((token) =>
        waits(token).finally(() => flushMicrotasks().then(log.note("clean"))),
      );
      const failed = group.spawn((token) => waits(token).catch(fails(boom)), { logError: false });
      const swallowed = group.spawn((token) => waits(token).catch(() => "all the same"));
      const error = await groupError(group.stop({ reason: "enough" }));
      expect(log.take()).toEqual(["clean"]);
      expect(cancelled.error).toMatchObject({ source: "shutdown", reason: "enough" });
      expect([cancelled.status, swallowed.status]).toEqual(["cancelled", "succeeded"]);
      expect([error.errors, error.tasks]).toEqual([[boom], [failed]]);
      expect(group.tasks.size).toBe(0);
    });

    it("resolves if there were cancellations only, earlier ones included", async () => {
      const group = new PersistentTaskGroup();
      group.spawn(waits).cancel("alone");
      await flushMicrotasks();
      group.spawn(waits);
      await expect(group.stop()).resolves.toBeUndefined();
    });

    it("names those that still run when its time is up, and leaves them and their failures to the next", async () => {
      vi.useFakeTimers();
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      const gate = new Deferred();
      group.spawn((token) => waits(token).catch(() => gate.promise), { name: "slow", logError: false });
      group.spawn(waits, { name: "quick" });
      const stop = rejection(group.stop({ timeout: 100 }));
      await vi.advanceTimersByTimeAsync(100);
      const error = (await stop) as TimeoutError;
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error.timeout).toBe(100);
      expect(error.message).toMatchInlineSnapshot(
        `"Stopping PersistentTaskGroup:x:slow took longer than 100 ms"`,
      );
      gate.reject(boom);
      expect((await groupError(group.join())).errors).toContain(boom);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("with a timeout of 0 resolves if nothing runs, or what runs ends at once", async () => {
      const group = new PersistentTaskGroup();
      await expect(group.stop({ timeout: 0 })).resolves.toBeUndefined();
      group.spawn(waits);
      await expect(group.stop({ timeout: 0 })).resolves.toBeUndefined();
      group.spawn(() => new Promise((resolve) => setTimeout(resolve, 50)), { name: "slow" });
      await expect(group.stop({ timeout: 0 })).rejects.toThrow(/slow/);
      await group.stop();
    });

    it("leaves no timer behind, also with a time limit beyond 2 ** 31", async () => {
      vi.useFakeTimers();
      const group = new PersistentTaskGroup();
      const gate = new Deferred();
      group.spawn(() => gate.promise);
      const stop = group.stop({ timeout: 2 ** 40 });
      await vi.advanceTimersByTimeAsync(2 ** 33);
      gate.resolve();
      await expect(stop).resolves.toBeUndefined();
      expect(vi.getTimerCount()).toBe(0);
    });

    it("ends tasks spawned meanwhile as cancelled, uncalled and untold, and leaves the group open", async () => {
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      const fn = vi.fn();
      const late: Task<unknown>[] = [];
      group.spawn(async (token) => {
        try {
          await waits(token);
        } finally {
          late.push(group.spawn(fn, { name: "late" }));
        }
      });
      await group.stop();
      await flushMicrotasks();
      expect(fn).not.toHaveBeenCalled();
      expect(late.map(({ name, status }) => [name, status])).toEqual([
        ["PersistentTaskGroup:x:late", "cancelled"],
      ]);
      expect(late[0]).toBeInstanceOf(Task);
      expect(group.tasks.size).toBe(0);
      expect(await group.spawn(() => "open")).toBe("open");
      await group.join();
    });

    it("refuses a bad time limit, as a rejection, and cancels nothing (L11)", async () => {
      const group = new PersistentTaskGroup();
      const task = group.spawn(waits);
      expect(await rejection(group.stop({ timeout: -1 }))).toMatchInlineSnapshot(
        `[RangeError: Expected \`timeout\` to be milliseconds >= 0, got -1 (number)]`,
      );
      expect(await rejection(group.stop({ timeout: "1" as never }))).toBeInstanceOf(TypeError);
      expect(task.cancelRequested).toBe(false);
      await group.stop();
    });
  });

  describe("cancel", () => {
    it("asks all tasks, before it returns, and no later one; the group's own token is not cancelled", async () => {
      const group = new PersistentTaskGroup();
      const tasks = [group.spawn(waits), group.spawn(waits)];
      group.cancel("enough");
      group.cancel("again");
      const later = group.spawn(waits);
      expect([...tasks, later].map((task) => task.cancelRequested)).toEqual([true, true, false]);
      expect(group.token.cancelRequested).toBe(false);
      await flushMicrotasks();
      for (const { status, error } of tasks) {
        expect(status).toBe("cancelled");
        expect(error).toMatchObject({ source: "explicit", reason: "enough" });
      }
      await group.stop();
    });

    it("never throws, whatever its callbacks and its reason do (L9)", async () => {
      using reports = captureReports();
      const group = new PersistentTaskGroup();
      group.spawn((token) => {
        token.onCancel(() => {
          throw boom;
        });
        return waits(token);
      });
      const other = group.spawn(waits);
      group.cancel(Object.create(null));
      expect(other.cancelRequested).toBe(true);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
      await group.stop();
    });
  });

  describe("run", () => {
    it("resolves with the body's value when it has stopped everything (L1)", async () => {
      const log = new EventLog();
      const value = await PersistentTaskGroup.run((group) => {
        group.spawn((token) => waits(token).finally(() => flushMicrotasks().then(log.note("task ends"))));
        return "value";
      });
      log.add(value);
      expect(log.take()).toEqual(["task ends", "value"]);
    });

    it("rejects with the body's error bare, or first among the failures that nobody acknowledged", async () => {
      expect(await rejection(PersistentTaskGroup.run(fails(boom)))).toBe(boom);
      let task: unknown;
      const error = await groupError(
        PersistentTaskGroup.run(
          async (group) => {
            task = failing(group, boom);
            await flushMicrotasks();
            throw bang;
          },
          { uniqueId: "x" },
        ),
      );
      expect(error.errors).toEqual([bang, boom]);
      expect(error.tasks).toEqual([undefined, task]);
      expect(error.message).toMatch(/^Error while stopping PersistentTaskGroup:x \(2 sub-errors\)/);
    });

    it("rejects with unacknowledged failures although the body has returned, and not with acknowledged ones", async () => {
      const run = PersistentTaskGroup.run(async (group) => {
        const seen = failing(group, boom);
        await flushMicrotasks();
        group.acknowledge(seen);
        failing(group, bang);
        await flushMicrotasks();
      });
      expect((await groupError(run)).errors).toEqual([bang]);
    });

    it("lists an error once that the body fails with too, since it awaited the task (L2)", async () => {
      let task!: Task<unknown>;
      const error = await groupError(
        PersistentTaskGroup.run(async (group) => {
          task = failing(group, boom);
          await task;
        }),
      );
      expect([error.errors, error.tasks]).toEqual([[boom], [task]]);
    });

    it("never calls the body if the outer token is cancelled, and rejects with that cancellation", async () => {
      const body = vi.fn();
      const reason = await rejection(PersistentTaskGroup.run(body, { token: AbortSignal.abort("no") }));
      expect(reason).toMatchObject({ source: "signal", reason: "no" });
      expect(body).not.toHaveBeenCalled();
    });

    it("rejects with the outer cancellation whatever the body returns", async () => {
      const outer = new CancellationSource();
      const run = PersistentTaskGroup.run((group) => waits(group.token).catch(() => "value"), {
        token: outer.token,
      });
      outer.cancel("outer");
      expect(await rejection(run)).toBe(outer.token.error);
    });

    it("refuses a body that is no function, as a rejection", async () => {
      expect(await rejection(PersistentTaskGroup.run(1 as never))).toMatchInlineSnapshot(
        `[TypeError: Expected \`body\` to be a function, got 1 (number)]`,
      );
    });

    it("serves subclasses", async () => {
      class Workers extends PersistentTaskGroup {}
      const group = new Workers();
      expect(group).toBeInstanceOf(PersistentTaskGroup);
      expect(new PersistentTaskGroup()).not.toBeInstanceOf(Workers);
      await group.stop();
    });
  });

  describe("a FatalError", () => {
    const end = new FatalError("end");

    it("cancels everything, the body included, and comes out of run bare; what it outranks is reported", async () => {
      using reports = captureReports();
      let sibling!: Task<unknown>;
      const run = PersistentTaskGroup.run(async (group) => {
        sibling = group.spawn(waits);
        failing(group, boom);
        await flushMicrotasks();
        failing(group, end);
        await waits(group.token);
      });
      expect(await rejection(run)).toBe(end);
      expect(sibling.error).toMatchObject({ source: "sibling", reason: end });
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("is logged as any failure is", async () => {
      using reports = captureReports();
      const group = new PersistentTaskGroup({ uniqueId: "x" });
      group.spawn(fails(end), { name: "fatal" });
      expect(await rejection(group.join())).toBe(end);
      expect([...reports]).toMatchObject([
        { message: 'Error in task "PersistentTaskGroup:x:fatal"', error: end },
      ]);
    });

    it.each(["join", "stop"] as const)("comes out of %s bare, once", async (method) => {
      const group = new PersistentTaskGroup();
      group.spawn(waits);
      failing(group, end);
      await flushMicrotasks();
      expect(() => group.spawn(waits)).toThrow(InvalidStateError);
      expect(await rejection(group[method]())).toBe(end);
      await expect(group.stop()).resolves.toBeUndefined();
    });

    it("comes out of run though the body was told of it, and got over it", async () => {
      for (const told of [
        (group: PersistentTaskGroup) => group.join(),
        async (group: PersistentTaskGroup) => {
          for await (const task of group.asCompleted()) expect(task.status).not.toBe("succeeded");
        },
      ]) {
        const run = PersistentTaskGroup.run(async (group) => {
          failing(group, end);
          await told(group).catch(() => undefined);
          return "value";
        });
        expect(await rejection(run)).toBe(end);
      }
    });

    it("of the body ends it in the same way", async () => {
      using reports = captureReports();
      const run = PersistentTaskGroup.run(async (group) => {
        failing(group, boom);
        group.spawn(waits);
        await flushMicrotasks();
        throw end;
      });
      expect(await rejection(run)).toBe(end);
      expect(reports.map(({ error }) => error)).toEqual([boom]);
    });

    it("outranks a second one, which is reported", async () => {
      using reports = captureReports();
      const second = new FatalError("second");
      const group = new PersistentTaskGroup();
      failing(group, end);
      failing(group, second);
      expect(await rejection(group.join())).toBe(end);
      expect(reports.map(({ error }) => error)).toEqual([second]);
      await group.stop();
    });
  });

  describe("retain: failures", () => {
    it("keeps failures, and neither successes nor cancellations", async () => {
      const group = new PersistentTaskGroup({ retain: "failures" });
      const failed = failing(group, boom);
      group.spawn(() => 1);
      group.spawn(waits).cancel();
      await flushMicrotasks();
      expect([...group.tasks]).toEqual([failed]);
      expect((await groupError(group.stop())).errors).toEqual([boom]);
    });

    it("hands what succeeds to iterations that wait", async () => {
      const group = new PersistentTaskGroup({ retain: "failures" });
      const gate = new Deferred();
      const task = group.spawn(() => gate.promise);
      const next = group.asCompleted().next();
      await flushMicrotasks();
      gate.resolve();
      const step = await next;
      expect(step.value === task).toBe(true);
      expect([...group.tasks]).toEqual([task]);
    });

    it("drops a success that a loop gives back", async () => {
      const group = new PersistentTaskGroup({ retain: "failures" });
      group.spawn(() => flushMicrotasks());
      for await (const task of group.asCompleted()) {
        expect(task.status).toBe("succeeded");
        break;
      }
      expect(group.tasks.size).toBe(0);
    });
  });

  describe("spawner", () => {
    type Lender = TaskSpawner & Pick<TaskScope, "tasks" | "size">;
    const owners: Record<string, (body: (spawner: Lender) => Promise<unknown>) => Promise<unknown>> = {
      TaskScope: (body) => TaskScope.run(body, { onError: "ignore" }),
      TaskGroup: (body) => TaskGroup.run(body),
      Supervisor: (body) => Supervisor.run(body, { onError: "ignore" }),
    };

    it.each(Object.entries(owners))(
      "%s starts the tasks, under its rules and the group's",
      async (_, open) => {
        await open(async (spawner) => {
          const outer = new CancellationSource();
          const group = new PersistentTaskGroup({ uniqueId: "x", spawner, token: outer.token });
          const [one, two] = [group.spawn(waits, { name: "one" }), group.spawn(waits)];
          expect(one.name).toBe("PersistentTaskGroup:x:one");
          expect(spawner.tasks.has(one)).toBe(true);
          expect([...group.tasks]).toEqual([one, two]);
          group.cancel();
          await flushMicrotasks();
          expect([one.status, two.status]).toEqual(["cancelled", "cancelled"]);
          const third = group.spawn(waits);
          await group.stop();
          expect(third.status).toBe("cancelled");
          const seen: boolean[] = [];
          const fourth: Task<never> = group.spawn((token) => {
            token.onCancel(() => seen.push(fifth.cancelRequested));
            return waits(token);
          });
          const fifth: Task<never> = group.spawn((token) => {
            token.onCancel(() => seen.push(fourth.cancelRequested));
            return waits(token);
          });
          outer.cancel("outer");
          // In two phases, as if they were its own (L8).
          expect(seen).toEqual([true, true]);
          expect(fourth.token.error).toBe(outer.token.error);
          await group.stop();
          expect(() => group.spawn(waits)).toThrow(InvalidStateError);
          expect(spawner.size).toBe(0);
        });
      },
    );

    it("with a limit has tasks pending, which are the group's, and cancelled without being called", async () => {
      await TaskScope.run(
        async (scope) => {
          const group = new PersistentTaskGroup({ spawner: scope });
          const running = group.spawn(waits);
          const fn = vi.fn();
          const pending = group.spawn(fn);
          expect([pending.status, group.isRunning, group.tasks.has(pending)]).toEqual([
            "pending",
            true,
            true,
          ]);
          await group.stop();
          expect([running.status, pending.status]).toEqual(["cancelled", "cancelled"]);
          expect(fn).not.toHaveBeenCalled();
          expect(await group.spawn(() => "free")).toBe("free");
          await group.join();
        },
        { concurrency: 1 },
      );
    });

    it("that is cancelled cancels the tasks; the group tells of it, and goes on with nothing", async () => {
      const scope = new TaskScope();
      const group = new PersistentTaskGroup({ spawner: scope });
      const task = group.spawn(waits);
      scope.cancel("theirs");
      await flushMicrotasks();
      expect(task.status).toBe("cancelled");
      expect(() => group.spawn(waits)).toThrow(/TaskScope .* is shutting down/);
      expect(group.isRunning).toBe(false);
      expect((await groupError(group.join())).errors).toEqual([scope.token.error]);
      await scope.stop();
    });

    it("leaves nothing of an ended task tied to the group", async () => {
      const outer = new CancellationSource();
      await TaskScope.run(async (scope) => {
        const group = new PersistentTaskGroup({ spawner: scope, token: outer.token });
        const task = group.spawn(() => 1);
        await task;
        await group.join();
        outer.cancel();
        expect(task.token.cancelRequested).toBe(false);
      });
    });

    it("follows an AbortSignal's own reason, in lent tasks too (L4)", async () => {
      const controller = new AbortController();
      const reason = new Error("navigated away");
      await TaskScope.run(async (spawner) => {
        for (const options of [{}, { spawner }]) {
          const group = new PersistentTaskGroup({ ...options, token: controller.signal });
          const native = group.spawn((token) => waits(token).catch(fails(reason)), { logError: false });
          const own = group.spawn(waits);
          if (options.spawner !== undefined) controller.abort(reason);
          else continue;
          await flushMicrotasks();
          expect([native.status, own.status]).toEqual(["cancelled", "cancelled"]);
          expect(own.error).toMatchObject({ source: "signal", reason });
        }
      });
    });
  });

  describe("an AbortSignal as the outer token", () => {
    it("cancels every task, and gets one listener, which goes with the group", async () => {
      const controller = new AbortController();
      const add = vi.spyOn(controller.signal, "addEventListener");
      const remove = vi.spyOn(controller.signal, "removeEventListener");
      const group = new PersistentTaskGroup({ token: controller.signal });
      for (let n = 0; n < 20; n++) group.spawn(waits);
      await group[Symbol.asyncDispose]();
      expect(add).toHaveBeenCalledTimes(1);
      expect(remove).toHaveBeenCalledTimes(1);
    });

    it("may be aborted with anything", async () => {
      const controller = new AbortController();
      const group = new PersistentTaskGroup({ token: controller.signal });
      const task = group.spawn((token: CancellationToken) => waits(token));
      controller.abort("why");
      await flushMicrotasks();
      expect(task.error).toMatchObject({ source: "signal", reason: "why" });
      expect(await rejection(group.join())).toBe(group.token.error);
    });

    it("must be one, or a token (L11)", () => {
      expect(() => new PersistentTaskGroup({ token: {} as never })).toThrowErrorMatchingInlineSnapshot(
        `[TypeError: Expected \`token\` to be a CancellationToken or an AbortSignal, got [object Object] (object)]`,
      );
    });
  });

  describe("disposal", () => {
    it("stops at the end of the block, and throws what nobody acknowledged", async () => {
      let task!: Task<unknown>;
      const block = async (): Promise<void> => {
        await using group = new PersistentTaskGroup();
        task = group.spawn(waits);
        failing(group, boom);
        await flushMicrotasks();
      };
      expect((await groupError(block())).errors).toEqual([boom]);
      expect(task.error).toMatchObject({ source: "shutdown" });
    });

    it("does not throw again what join has thrown", async () => {
      const block = async (): Promise<void> => {
        await using group = new PersistentTaskGroup();
        failing(group, boom);
        await group.join();
      };
      expect((await groupError(block())).errors).toEqual([boom]);
    });
  });
});

describe("a FatalError of a task that is another owner's", () => {
  it("cancels everything in the group, and comes bare", async () => {
    using reports = captureReports();
    const lender = new TaskScope({ onError: "ignore", isFatal: () => false });
    const group = new PersistentTaskGroup({ spawner: lender });
    const sibling = group.spawn(waits);
    const fatal = new FatalError("the end");
    group.spawn(() => Promise.reject(fatal), { logError: false });
    expect(await rejection(group.join())).toBe(fatal);
    expect(sibling.status).toBe("cancelled");
    expect(group.token.cancelRequested).toBe(true);
    expect(reports.length).toBe(0);
    await lender.join();
  });
});
