import { inspect } from "node:util";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  InvalidStateError,
  Task,
  TaskScope,
  backgroundSpawner,
  sleep,
  type TaskFunction,
  type TaskStatus,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import {
  Deferred,
  EventLog,
  captureReports,
  collectGarbage,
  flushMicrotasks,
  macrotask,
} from "@scope/test-utils";
import { describe, expect, it, vi } from "vitest";

/** A scope whose failures are of no interest to the test. */
function quiet(): TaskScope {
  return new TaskScope({ onError: "ignore" });
}

/** Waits until a task has ended, whichever way. */
async function ended(task: Task<unknown>): Promise<void> {
  await task.catch(() => undefined);
}

function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

/** What is thrown; fails if nothing is. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** What `provoke` leaves unhandled; the listeners of the test run look away meanwhile. */
async function unhandledDuring(provoke: () => unknown): Promise<unknown[]> {
  const others = process.listeners("unhandledRejection");
  const caught: unknown[] = [];
  const remember = (error: unknown): void => {
    caught.push(error);
  };
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", remember);
  try {
    await provoke();
    await macrotask();
    await macrotask();
  } finally {
    process.off("unhandledRejection", remember);
    for (const listener of others) process.on("unhandledRejection", listener);
  }
  return caught;
}

describe("Task", () => {
  describe("id and name", () => {
    it("is a Task, and has an id that no other task has", async () => {
      const [scope, other] = [quiet(), quiet()];
      const tasks = [scope, other, backgroundSpawner, scope].map((owner) => owner.spawn(() => 1));
      expect(new Set(tasks.map(({ id }) => id)).size).toBe(4);
      for (const task of tasks) expect(task).toBeInstanceOf(Task);
      await Promise.all(tasks);
      await scope.join();
      await other.join();
    });

    it('has the name it was given, or "task-<id>"', async () => {
      await TaskScope.run((scope) => {
        expect(scope.spawn(() => 1, { name: "reader" }).name).toBe("reader");
        const task = scope.spawn(() => 1);
        expect(task.name).toBe(`task-${task.id}`);
        expect(scope.spawn(() => 1, { name: undefined }).name).toMatch(/^task-\d+$/);
      });
    });

    it("is told with its status, by String and by inspection", async () => {
      const scope = new TaskScope({ onError: "ignore", concurrency: 3 });
      const open = new Deferred();
      const tasks = [
        scope.spawn(() => open.promise, { name: "open" }),
        scope.spawn(() => 1, { name: "good" }),
        scope.spawn(throwing(new Error("bad")), { name: "bad" }),
        scope.spawn(() => 1, { name: "late" }),
      ];
      expect(tasks.map(String)).toEqual([
        'Task "open" (running)',
        'Task "good" (running)',
        'Task "bad" (running)',
        'Task "late" (pending)',
      ]);
      tasks[3]!.cancel();
      await flushMicrotasks();
      expect(tasks.map(String)).toEqual([
        'Task "open" (running)',
        'Task "good" (succeeded)',
        'Task "bad" (failed)',
        'Task "late" (cancelled)',
      ]);
      expect(tasks.map((task) => inspect(task))).toEqual(tasks.map(String));
      expect(inspect({ task: tasks[0] })).toContain('Task "open" (running)');
      expect(Object.prototype.toString.call(tasks[0])).toBe("[object Task]");
      open.resolve();
      await scope.join();
    });
  });

  describe("token", () => {
    it("is its own, handed to the function alone, and cancelled with the owner by the owner's error", async () => {
      const scope = quiet();
      const received: unknown[][] = [];
      const fn = async (...args: unknown[]): Promise<void> => {
        received.push(args);
        await sleep(Infinity, args[0] as CancellationToken);
      };
      const tasks = [scope.spawn(fn), scope.spawn(fn)];
      expect(received).toEqual(tasks.map(({ token }) => [token]));
      expect(tasks[0]!.token).not.toBe(tasks[1]!.token);
      expect(tasks[0]!.token).not.toBe(scope.token);
      scope.cancel("all");
      for (const { token } of tasks) expect(token.error).toBe(scope.token.error);
      await scope.join();
    });

    it("of a task that has ended is not cancelled any more", async () => {
      const scope = quiet();
      const task = scope.spawn(() => 1);
      await task;
      scope.cancel();
      expect(task.cancelRequested).toBe(false);
      expect(task.token.cancelRequested).toBe(false);
      await scope.join();
    });
  });

  describe("status", () => {
    interface Row {
      how: string;
      fn: TaskFunction<unknown>;
      status: TaskStatus;
    }
    const failure = new Error("failure");
    const rows: Row[] = [
      { how: "returned at once", fn: () => 7, status: "succeeded" },
      { how: "resolved", fn: async () => 7, status: "succeeded" },
      { how: "threw at once", fn: throwing(failure), status: "failed" },
      { how: "rejected", fn: () => Promise.reject(failure), status: "failed" },
    ];

    it.each(rows)("is running, and then $status, for a function that $how", async ({ fn, status }) => {
      const scope = quiet();
      const task = scope.spawn(fn);
      expect([task.status, task.done, task.error]).toEqual(["running", false, undefined]);
      await ended(task);
      expect([task.status, task.done, task.cancelRequested]).toEqual([status, true, false]);
      expect(task.error).toBe(status === "failed" ? failure : undefined);
      await scope.join();
    });

    it("is cancelled, its error the CancelledError, for a function that let its cancellation pass", async () => {
      const scope = quiet();
      const task = scope.spawn((token) => sleep(Infinity, token));
      task.cancel("enough");
      expect([task.status, task.done, task.cancelRequested]).toEqual(["running", false, true]);
      await ended(task);
      expect([task.status, task.done, task.cancelRequested]).toEqual(["cancelled", true, true]);
      expect(task.error).toBe(task.token.error);
      expect(task.error).toMatchObject({ reason: "enough", source: "explicit" });
      await scope.join();
    });

    it("is pending while it waits for a slot, then running", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const open = new Deferred();
      const first = scope.spawn(() => open.promise);
      const seen: TaskStatus[] = [];
      const second: Task<void> = scope.spawn(async () => {
        seen.push(second.status);
      });
      expect([second.status, second.done, second.cancelRequested]).toEqual(["pending", false, false]);
      open.resolve();
      await second;
      expect(seen).toEqual(["running"]);
      expect(first.status).toBe("succeeded");
      await scope.join();
    });
  });

  describe("result and error", () => {
    it("gives the value of one that succeeded", async () => {
      const scope = quiet();
      const value = { any: "thing" };
      const task = scope.spawn(async () => value);
      await task;
      expect(task.result()).toBe(value);
      expect(task.error).toBeUndefined();
      await scope.join();
    });

    it.each<[string, unknown]>([
      ["an error", new RangeError("failure")],
      ["a string", "failure"],
      ["undefined", undefined],
      ["null", null],
    ])("throws, and has as its error, what one that failed has thrown: %s", async (_, failure) => {
      const scope = quiet();
      const tasks = [scope.spawn(throwing(failure)), scope.spawn(() => Promise.reject(failure))];
      await scope.join();
      for (const task of tasks) {
        expect(task.status).toBe("failed");
        expect(task.error).toBe(failure);
        expect(thrownBy(() => task.result())).toBe(failure);
        await expect(task).rejects.toBe(failure);
      }
    });

    it("throws the CancelledError of one that was cancelled", async () => {
      const scope = quiet();
      const task = scope.spawn((token) => sleep(Infinity, token));
      scope.cancel();
      await scope.join();
      expect(thrownBy(() => task.result())).toBe(scope.token.error);
      await expect(task).rejects.toBe(scope.token.error);
    });

    it("refuses one that is not done, and says what to do", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const open = new Deferred();
      const tasks = [
        scope.spawn(() => open.promise, { name: "reader" }),
        scope.spawn(() => 1, { name: "writer" }),
      ];
      const [running, pending] = tasks.map((task) => thrownBy(() => task.result()));
      expect(running).toBeInstanceOf(InvalidStateError);
      expect(pending).toBeInstanceOf(InvalidStateError);
      expect((running as Error).message).toMatchInlineSnapshot(
        `"Task "reader" is running: await it before its result"`,
      );
      expect((pending as Error).message).toMatchInlineSnapshot(
        `"Task "writer" is pending: await it before its result"`,
      );
      open.resolve();
      await scope.join();
    });
  });

  describe("cancel", () => {
    it("says whether there was something to cancel", async () => {
      const scope = quiet();
      const [live, good, bad] = [
        scope.spawn((token) => sleep(Infinity, token)),
        scope.spawn(() => 1),
        scope.spawn(throwing(new Error("bad"))),
      ];
      await flushMicrotasks();
      expect([live, good, bad].map((task) => task.cancel())).toEqual([true, false, false]);
      expect(live.cancel()).toBe(true);
      await ended(live);
      expect(live.cancel()).toBe(false);
      expect([live, good, bad].map(({ status }) => status)).toEqual(["cancelled", "succeeded", "failed"]);
      expect([good, bad].map(({ cancelRequested }) => cancelRequested)).toEqual([false, false]);
      await scope.join();
    });

    it("tells the function inside the call, and keeps the first reason", async () => {
      const scope = quiet();
      const reasons: unknown[] = [];
      const task = scope.spawn((token) => {
        token.onCancel(({ reason }) => reasons.push(reason));
        return sleep(Infinity, token);
      });
      task.cancel("first");
      expect(reasons).toEqual(["first"]);
      task.cancel("second");
      scope.cancel("third");
      await scope.join();
      expect(reasons).toEqual(["first"]);
      expect(task.error).toMatchObject({ reason: "first" });
    });

    it("uses a CancelledError as it is", async () => {
      const scope = quiet();
      const error = new CancelledError("mine", { source: "shutdown" });
      const task = scope.spawn((token) => sleep(Infinity, token));
      task.cancel(error);
      await expect(task).rejects.toBe(error);
      await scope.join();
    });

    it("disturbs no sibling, and not the owner", async () => {
      for (const owner of [new TaskScope(), new TaskGroup()]) {
        const task = owner.spawn((token) => sleep(Infinity, token));
        const sibling = owner.spawn(() => macrotask());
        task.cancel();
        await sibling;
        expect(task.status).toBe("cancelled");
        expect(sibling.cancelRequested).toBe(false);
        expect(owner.cancelRequested).toBe(false);
        await owner.join();
      }
    });

    it("waits for nobody: a function that ignores it and returns has succeeded (L4)", async () => {
      const scope = quiet();
      const open = new Deferred<string>();
      const task = scope.spawn(() => open.promise);
      task.cancel();
      await flushMicrotasks();
      expect(task.status).toBe("running");
      open.resolve("all the same");
      await expect(task).resolves.toBe("all the same");
      expect(task.status).toBe("succeeded");
      expect(task.cancelRequested).toBe(true);
      await scope.join();
    });

    it("ends a pending task without calling it and without a slot, the others keeping their order", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const log = new EventLog();
      const open = new Deferred();
      const fn = vi.fn();
      scope.spawn(() => open.promise);
      const withdrawn = scope.spawn(fn);
      scope.spawn(log.note("third"));
      scope.spawn(log.note("fourth"));
      expect(withdrawn.cancel("not needed")).toBe(true);
      expect(withdrawn.cancel("again")).toBe(true);
      await flushMicrotasks(5);
      expect(withdrawn.status).toBe("cancelled");
      expect(withdrawn.error).toMatchObject({ reason: "not needed" });
      expect(scope.size).toBe(3);
      expect(log.events).toEqual([]);
      open.resolve();
      await scope.join();
      expect(log.events).toEqual(["third", "fourth"]);
      expect(fn).not.toHaveBeenCalled();
    });

    it("never calls a task that has its slot, but has not begun", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const fn = vi.fn();
      const log = new EventLog();
      const first = scope.spawn(() => undefined);
      const granted = scope.spawn(fn);
      scope.spawn(log.note("third"));
      first.onDone(() => {
        granted.cancel();
        // The slot goes on in a microtask after this one.
        void Promise.resolve().then(() => granted.cancel());
      });
      await scope.join();
      expect(fn).not.toHaveBeenCalled();
      expect(granted.status).toBe("cancelled");
      expect(log.events).toEqual(["third"]);
    });

    it("can be called by the function itself", async () => {
      const scope = quiet();
      const task: Task<void> = scope.spawn(async (token) => {
        await Promise.resolve();
        task.cancel("myself");
        token.throwIfCancelled();
      });
      await expect(task).rejects.toMatchObject({ reason: "myself" });
      expect(task.status).toBe("cancelled");
      await scope.join();
    });
  });

  describe("onDone", () => {
    it("calls back with the task, in a microtask after it is done", async () => {
      const scope = quiet();
      const open = new Deferred();
      const task = scope.spawn(() => open.promise);
      const callback = vi.fn((given: Task<void>) => {
        expect(given.done).toBe(true);
      });
      task.onDone(callback);
      open.resolve();
      expect(callback).not.toHaveBeenCalled();
      await flushMicrotasks(5);
      expect(callback.mock.calls).toEqual([[task]]);
      await scope.join();
    });

    it("calls back for every way to end, a pending task's too", async () => {
      const scope = new TaskScope({ onError: "ignore", concurrency: 3 });
      const log = new EventLog();
      const tasks = [
        scope.spawn(() => 1),
        scope.spawn(throwing(new Error("bad"))),
        scope.spawn((token) => sleep(Infinity, token)),
        scope.spawn(() => 1),
      ];
      for (const task of tasks) {
        task.onDone(({ status }) => {
          log.add(status);
        });
      }
      tasks[2]!.cancel();
      tasks[3]!.cancel();
      await scope.join();
      expect(log.events.sort()).toEqual(["cancelled", "cancelled", "failed", "succeeded"]);
    });

    it("calls back in a microtask when registered late, and not before", async () => {
      const scope = quiet();
      const task = scope.spawn(() => 1);
      await scope.join();
      const callback = vi.fn();
      task.onDone(callback);
      expect(callback).not.toHaveBeenCalled();
      await flushMicrotasks(2);
      expect(callback.mock.calls).toEqual([[task]]);
    });

    it("never calls back once unregistered, early or late; doing so twice is nothing", async () => {
      const scope = quiet();
      const task = scope.spawn(() => 1);
      const callback = vi.fn();
      const forget = task.onDone(callback);
      forget();
      forget();
      await scope.join();
      task.onDone(callback)();
      await flushMicrotasks();
      expect(callback).not.toHaveBeenCalled();
    });

    it("calls back in the order of registration, each registration once", async () => {
      const scope = quiet();
      const task = scope.spawn(() => 1);
      const log = new EventLog();
      const twice = log.note("twice");
      task.onDone(log.note("first"));
      task.onDone(twice);
      task.onDone(twice);
      task.onDone(log.note("last"));
      await scope.join();
      expect(log.events).toEqual(["first", "twice", "twice", "last"]);
    });

    it("lets a callback unregister another, and register more", async () => {
      const scope = quiet();
      const task = scope.spawn(() => 1);
      const log = new EventLog();
      let forget = (): void => undefined;
      task.onDone(() => {
        log.add("first");
        forget();
        task.onDone(log.note("registered meanwhile"));
      });
      forget = task.onDone(log.note("unregistered"));
      task.onDone(log.note("last"));
      await scope.join();
      await flushMicrotasks(2);
      expect(log.events).toEqual(["first", "last", "registered meanwhile"]);
    });

    it("has a callback that throws stop nothing, and reports it (L9)", async () => {
      using reports = captureReports();
      const scope = quiet();
      const task = scope.spawn(() => 1);
      const log = new EventLog();
      const [early, late] = [new Error("early"), new Error("late")];
      task.onDone(throwing(early));
      task.onDone(log.note("next"));
      await expect(task).resolves.toBe(1);
      await scope.join();
      task.onDone(throwing(late));
      task.onDone(log.note("late"));
      await flushMicrotasks(2);
      expect(log.events).toEqual(["next", "late"]);
      expect(reports.map(({ error }) => error)).toEqual([early, late]);
      expect(reports[0]?.message).toContain("onDone");
      expect(reports[0]?.message).toContain(task.name);
    });

    it("may spawn, before the owner closes", async () => {
      const scope = quiet();
      const log = new EventLog();
      scope
        .spawn(() => 1)
        .onDone(() => {
          scope.spawn(async () => {
            await macrotask();
            log.add("spawned by a callback");
          });
        });
      await scope.join();
      expect(log.events).toEqual(["spawned by a callback"]);
    });
  });

  describe("then, catch and finally", () => {
    it("await gives the value, as often as it is asked, early and late", async () => {
      const scope = quiet();
      const open = new Deferred<number>();
      const task = scope.spawn(() => open.promise);
      const early = Promise.all([task, task.then((value) => value + 1), Promise.resolve(task)]);
      open.resolve(1);
      await expect(early).resolves.toEqual([1, 2, 1]);
      expect(await task).toBe(1);
      await scope.join();
    });

    it("await throws the failure, the same object to everybody", async () => {
      const scope = quiet();
      const failure = new Error("failure");
      const open = new Deferred();
      const task = scope.spawn(() => open.promise);
      const early = Promise.allSettled([task, task]);
      open.reject(failure);
      const late = await early.then(() => Promise.allSettled([task]));
      const reasons = [...(await early), ...late].map(
        (each) => each.status === "rejected" && each.reason === failure,
      );
      expect(reasons).toEqual([true, true, true]);
      await scope.join();
    });

    it("makes native promises", async () => {
      const scope = quiet();
      const task = scope.spawn(() => 1);
      const derived = [task.then(), task.catch(), task.finally()];
      for (const promise of derived) expect(promise).toBeInstanceOf(Promise);
      await expect(Promise.all(derived)).resolves.toEqual([1, 1, 1]);
      await scope.join();
    });

    it("behave as a promise's: handlers replace outcomes, finally keeps them", async () => {
      const scope = quiet();
      const failure = new Error("failure");
      const good = scope.spawn(() => 1);
      const bad = scope.spawn(throwing(failure));
      const log = new EventLog();
      await expect(good.then(() => "replaced")).resolves.toBe("replaced");
      await expect(good.then(throwing(failure))).rejects.toBe(failure);
      await expect(good.catch(() => "unused")).resolves.toBe(1);
      await expect(bad.catch((error: unknown) => error)).resolves.toBe(failure);
      await expect(
        bad.then(
          () => "unused",
          () => "replaced",
        ),
      ).resolves.toBe("replaced");
      await expect(good.finally(log.note("good"))).resolves.toBe(1);
      await expect(bad.finally(log.note("bad"))).rejects.toBe(failure);
      await expect(good.finally(throwing(failure))).rejects.toBe(failure);
      expect(log.events).toEqual(["good", "bad"]);
      await scope.join();
    });

    it("works with the promise combinators", async () => {
      await TaskScope.run(async (scope) => {
        const tasks = [scope.spawn(() => 1), scope.spawn(async () => "two")] as const;
        await expect(Promise.all(tasks)).resolves.toEqual([1, "two"]);
        await expect(Promise.race(tasks)).resolves.toBe(1);
        await expect(Promise.any(tasks)).resolves.toBe(1);
      });
    });

    it("is what an async function that returns a task returns", async () => {
      const scope = quiet();
      const load = async (): Promise<number> => scope.spawn(async () => 7);
      await expect(load()).resolves.toBe(7);
      await scope.join();
    });

    it("leaves no failure unhandled, awaited or not, early or late (L2)", async () => {
      const unhandled = await unhandledDuring(async () => {
        const scope = quiet();
        const never = scope.spawn(throwing(new Error("never awaited")));
        const awaited = scope.spawn(throwing(new Error("awaited")));
        const cancelled = scope.spawn((token) => sleep(Infinity, token));
        await ended(awaited);
        cancelled.cancel();
        await scope.join();
        await macrotask();
        await ended(never);
      });
      expect(unhandled).toEqual([]);
    });

    it("leaves promises derived from it to whoever derived them (L2)", async () => {
      const failure = new Error("failure");
      const unhandled = await unhandledDuring(async () => {
        const scope = quiet();
        void scope.spawn(throwing(failure)).then(() => "unused");
        await scope.join();
      });
      expect(unhandled).toEqual([failure]);
    });

    it("shows a failure to the awaiter and still reports it, once (L2)", async () => {
      using reports = captureReports();
      const failure = new Error("failure");
      await TaskScope.run(async (scope) => {
        const task = scope.spawn(throwing(failure));
        await expect(task).rejects.toBe(failure);
        expect(thrownBy(() => task.result())).toBe(failure);
      });
      expect(reports.map(({ error }) => error)).toEqual([failure]);
    });
  });

  describe("a function", () => {
    it("that returns a thenable has its outcome", async () => {
      const scope = quiet();
      const good: PromiseLike<number> = { then: (resolve) => Promise.resolve(7).then(resolve) };
      await expect(scope.spawn(() => good)).resolves.toBe(7);
      const failure = new Error("failure");
      const bad = {
        then: (_: unknown, reject: (error: unknown) => void) => {
          reject(failure);
        },
      };
      const task = scope.spawn(() => bad as unknown as PromiseLike<never>);
      await expect(task).rejects.toBe(failure);
      expect(task.status).toBe("failed");
      await scope.join();
    });

    it("that returns a thenable which throws, or whose then cannot be read, has failed", async () => {
      const scope = quiet();
      const failure = new Error("failure");
      const refusing = Object.defineProperty({}, "then", { get: throwing(failure) });
      for (const thenable of [{ then: throwing(failure) }, refusing]) {
        const task = scope.spawn(() => thenable);
        await expect(task).rejects.toBe(failure);
      }
      await scope.join();
    });

    it("that returns a thenable which settles twice has its first outcome", async () => {
      const scope = quiet();
      const fickle = {
        then(resolve: (value: number) => void, reject: (error: unknown) => void): void {
          resolve(1);
          reject(new Error("second"));
          resolve(3);
        },
      };
      const task = scope.spawn(() => fickle as unknown as PromiseLike<number>);
      await scope.join();
      expect(task.result()).toBe(1);
    });

    it("that returns a lazily started promise has it started, and its outcome", async () => {
      class Query extends Promise<string> {
        #started: Promise<string> | undefined;
        static starts = 0;

        static make(): Query {
          return new Query(() => undefined);
        }

        override then<A = string, B = never>(
          onFulfilled?: ((value: string) => A | PromiseLike<A>) | null,
          onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
        ): Promise<A | B> {
          if (this.#started === undefined) {
            Query.starts++;
            this.#started = Promise.resolve("rows");
          }
          return this.#started.then(onFulfilled, onRejected);
        }
      }
      const scope = quiet();
      await expect(scope.spawn(() => Query.make())).resolves.toBe("rows");
      expect(Query.starts).toBe(1);
      await scope.join();
    });

    it("that returns a promise whose own then was replaced ends in a microtask at the earliest (L6)", async () => {
      const log = new EventLog();
      const scope = new TaskScope({ onTaskDone: log.note("onTaskDone") });
      const impatient = Object.assign(Promise.resolve("native"), {
        then(resolve: (value: string) => void) {
          resolve("impatient");
        },
      });
      const task = scope.spawn(() => impatient as Promise<string>);
      log.add("spawned");
      expect(task.done).toBe(false);
      await scope.join();
      expect(log.events).toEqual(["spawned", "onTaskDone"]);
    });

    it("that returns a promise whose own then throws has failed, and spawn does not throw", async () => {
      const scope = quiet();
      const failure = new Error("failure");
      const broken = Object.assign(Promise.resolve("native"), { then: throwing(failure) });
      // What `await` makes of it is up to the platform: it may not ask that `then` at all.
      const task = scope.spawn(() => broken as unknown as Promise<string>);
      await flushMicrotasks();
      expect(task.done).toBe(true);
      expect(scope.size).toBe(0);
      await scope.join();
    });

    it("that returns a task has that task's value", async () => {
      const scope = quiet();
      const inner = scope.spawn(async () => 7);
      const outer = scope.spawn(() => inner);
      await expect(outer).resolves.toBe(7);
      expect(outer).not.toBe(inner);
      await scope.join();
    });

    it("that returns a task which fails fails with it; a group lists the error once (L2)", async () => {
      const failure = new Error("failure");
      const run = TaskGroup.run((group) => {
        const inner = group.spawn(async () => {
          await macrotask();
          throw failure;
        });
        group.spawn(() => inner);
      });
      await expect(run).rejects.toMatchObject({ errors: [failure] });
    });

    it("that returns a task which is cancelled alone has failed: the cancellation is not its own (L4)", async () => {
      const scope = quiet();
      const inner = scope.spawn((token) => sleep(Infinity, token));
      const outer = scope.spawn(() => inner);
      inner.cancel();
      await scope.join();
      expect(inner.status).toBe("cancelled");
      expect(outer.status).toBe("failed");
      expect(outer.error).toBe(inner.error);
    });

    it("may return nothing", async () => {
      await TaskScope.run(async (scope) => {
        await expect(scope.spawn(() => undefined)).resolves.toBeUndefined();
      });
    });

    it("is not kept by its task once that is done, nor the owner; neither owner nor token keep the task (L7)", async () => {
      const scope = quiet();
      const kept: Task<unknown>[] = [];
      const tokens: CancellationToken[] = [];
      const gone: WeakRef<object>[] = [];
      const spawnOne = (end: "return" | "throw" | "cancel"): void => {
        const captured = { end };
        const fn = async (token: CancellationToken): Promise<void> => {
          await macrotask();
          if (captured.end === "throw") throw new Error("failure");
          if (captured.end === "cancel") await sleep(Infinity, token);
        };
        const task = scope.spawn(fn);
        if (end === "cancel") task.cancel();
        gone.push(new WeakRef(captured), new WeakRef(fn));
        if (end === "return") kept.push(task);
        else {
          tokens.push(task.token);
          gone.push(new WeakRef(task));
        }
      };
      spawnOne("return");
      spawnOne("throw");
      spawnOne("cancel");
      await macrotask();
      await macrotask();
      expect(scope.size).toBe(0);
      await collectGarbage();
      expect(gone.map((ref) => ref.deref())).toEqual(gone.map(() => undefined));
      const closed = ((): WeakRef<TaskScope> => {
        const other = new TaskScope();
        kept.push(other.spawn(() => 1));
        void other.join();
        return new WeakRef(other);
      })();
      await collectGarbage();
      expect(closed.deref()).toBeUndefined();
      expect(kept.map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);
      expect(tokens.map(({ cancelRequested }) => cancelRequested)).toEqual([false, true]);
      await scope.join();
    });
  });

  describe("whose cancellation (L4)", () => {
    it("counts the followed signal's reason as one, though something else cancelled the scope first", async () => {
      const controller = new AbortController();
      const reason = new RangeError("the user left");
      const scope = new TaskScope({ token: controller.signal });
      const task = scope.spawn(async () => {
        const { promise, reject } = new Deferred();
        controller.signal.addEventListener("abort", () => reject(controller.signal.reason));
        await promise;
      });
      scope.cancel("earlier");
      controller.abort(reason);
      await scope.stop();
      expect(task.status).toBe("cancelled");
      expect(task.error).toMatchObject({ reason: "earlier" });
    });

    const foreign = new CancelledError("somebody else's");
    const abort = new DOMException("aborted", "AbortError");
    const ordinary = new Error("ordinary");

    it.each<[string, unknown]>([
      ["a CancelledError", foreign],
      ["an AbortError of the platform's", abort],
      ["an error of that name", Object.assign(new Error(), { name: "AbortError" })],
    ])("is a failure when nobody cancelled the task: %s", async (_, error) => {
      using reports = captureReports();
      const scope = new TaskScope();
      const task = scope.spawn(() => Promise.reject(error));
      await scope.join();
      expect(task.status).toBe("failed");
      expect(task.error).toBe(error);
      expect(reports.map((report) => report.error)).toEqual([error]);
    });

    it.each<[string, unknown]>([
      ["a CancelledError", foreign],
      ["an AbortError of the platform's", abort],
      ["an error of that name", Object.assign(new Error(), { name: "AbortError" })],
    ])("is a cancellation when the task was cancelled, whichever was thrown: %s", async (_, error) => {
      using reports = captureReports();
      const scope = new TaskScope();
      const open = new Deferred();
      const task = scope.spawn(() => open.promise);
      task.cancel("asked");
      open.reject(error);
      await scope.join();
      expect(task.status).toBe("cancelled");
      expect(task.error).toBe(task.token.error);
      await expect(task).rejects.toBe(task.token.error);
      expect(reports).toHaveLength(0);
    });

    it("is a failure when a cancelled task throws something else", async () => {
      using reports = captureReports();
      const scope = new TaskScope();
      const open = new Deferred();
      const task = scope.spawn(() => open.promise);
      scope.cancel();
      open.reject(ordinary);
      await scope.join();
      expect(task.status).toBe("failed");
      expect(task.error).toBe(ordinary);
      expect(reports.map(({ error }) => error)).toEqual([ordinary]);
    });

    it("is a failure when the reason of an explicit cancel is thrown bare", async () => {
      const scope = quiet();
      const task = scope.spawn(async (token) => {
        await new Promise<void>((_, reject) =>
          token.onCancel(({ reason }) => {
            reject(reason);
          }),
        );
      });
      task.cancel(ordinary);
      await scope.join();
      expect(task.status).toBe("failed");
      expect(task.error).toBe(ordinary);
    });

    it("is no cancellation when the function returns a value all the same", async () => {
      const scope = quiet();
      const task = scope.spawn(async (token) => {
        await sleep(Infinity, token).catch(() => undefined);
        return "cleaned up";
      });
      scope.cancel();
      await scope.join();
      expect(task.status).toBe("succeeded");
      expect(task.result()).toBe("cleaned up");
    });

    it("is a failure of the awaiter when it awaits a sibling that was cancelled alone", async () => {
      const scope = quiet();
      const sibling = scope.spawn((token) => sleep(Infinity, token));
      const awaiter = scope.spawn(async () => {
        await sibling;
      });
      sibling.cancel();
      await scope.join();
      expect([sibling.status, awaiter.status]).toEqual(["cancelled", "failed"]);
    });

    it("is a failure when a deadline or signal of the function's own aborted it", async () => {
      const scope = quiet();
      const own = new AbortController();
      const aborted = scope.spawn(() => sleep(Infinity, own.signal));
      const late = scope.spawn((token) => sleep(Infinity, token.child({ timeout: 0 }).token));
      own.abort();
      await scope.join();
      expect([aborted.status, late.status]).toEqual(["failed", "failed"]);
    });

    it.each<[string, unknown]>([
      ["an error", new RangeError("reason")],
      ["a string", "reason"],
      ["an object", { any: "thing" }],
      ["null", null],
      ["the platform's timeout", new DOMException("late", "TimeoutError")],
    ])("is a cancellation when the reason of the followed signal is thrown bare: %s", async (_, reason) => {
      using reports = captureReports();
      const controller = new AbortController();
      const between = new CancellationSource({ parent: [new CancellationSource().token, controller.signal] });
      const scopes = [controller.signal, between.token].map((token) => new TaskScope({ token }));
      const tasks = scopes.map((scope) =>
        scope.spawn(
          () =>
            new Promise((_, reject) => {
              controller.signal.addEventListener("abort", () => {
                reject(controller.signal.reason);
              });
            }),
        ),
      );
      controller.abort(reason);
      for (const scope of scopes) await scope.stop();
      for (const task of tasks) {
        expect(task.status).toBe("cancelled");
        expect(task.error).toBe(CancellationToken.from(controller.signal).error);
        expect(task.error).toMatchObject({ reason, source: "signal" });
      }
      expect(reports).toHaveLength(0);
    });

    it("is a failure when the reason of a signal is thrown that the task does not follow", async () => {
      const scope = quiet();
      const reason = new RangeError("reason");
      const task = scope.spawn(async () => {
        AbortSignal.abort(reason).throwIfAborted();
      });
      task.cancel();
      await scope.join();
      expect(task.status).toBe("failed");
      expect(task.error).toBe(reason);
    });
  });

  describe("during spawn (L6)", () => {
    it("runs the synchronous part of the function, and nothing else", async () => {
      const log = new EventLog();
      const scope = new TaskScope({
        onTaskDone: log.note("onTaskDone"),
        onError: log.note("onError"),
      });
      for (const fn of [() => 1, throwing(new Error("failure")), async () => 1]) {
        const task = scope.spawn(() => {
          log.add("function");
          return fn();
        });
        task.onDone(log.note("onDone"));
        log.add("spawned");
        expect(task.status).toBe("running");
        expect(task.done).toBe(false);
        expect(scope.hasErrors).toBe(false);
        expect(scope.size).toBe(log.events.length / 2);
      }
      expect(log.take()).toEqual(["function", "spawned", "function", "spawned", "function", "spawned"]);
      await scope.join();
      expect(log.events.sort()).toEqual([
        "onDone",
        "onDone",
        "onDone",
        "onError",
        "onTaskDone",
        "onTaskDone",
        "onTaskDone",
      ]);
    });

    it("ends a function that returned or threw at once a microtask later", async () => {
      const scope = quiet();
      const good = scope.spawn(() => 1);
      const bad = scope.spawn(throwing(new Error("failure")));
      await Promise.resolve();
      expect([good.status, bad.status]).toEqual(["succeeded", "failed"]);
      await scope.join();
    });

    it("cancels no sibling, even if the function throws at once", async () => {
      const failure = new Error("failure");
      const run = TaskGroup.run((group) => {
        const sibling = group.spawn((token) => sleep(Infinity, token));
        group.spawn(throwing(failure));
        expect(sibling.cancelRequested).toBe(false);
        expect(group.cancelRequested).toBe(false);
        expect(group.state).toBe("open");
        group.spawn(() => "still admitted");
      });
      await expect(run).rejects.toMatchObject({ errors: [failure] });
    });

    it("lets a cancel that the function calls in its synchronous part act at once", async () => {
      const scope = quiet();
      const log = new EventLog();
      scope.token.onCancel(log.note("callback of the scope"));
      const sibling = scope.spawn((token) => sleep(Infinity, token));
      const task = scope.spawn((token) => {
        token.onCancel(log.note("callback of the task"));
        scope.cancel("from inside");
        log.add(`${token.cancelRequested} ${sibling.cancelRequested}`);
        expect(() => scope.spawn(() => 1)).toThrow(InvalidStateError);
        token.throwIfCancelled();
      });
      log.add("spawned");
      const [first, second, ...rest] = log.events;
      expect([first, second].sort()).toEqual(["callback of the scope", "callback of the task"]);
      expect(rest).toEqual(["true true", "spawned"]);
      expect(task.status).toBe("running");
      await scope.join();
      expect([task.status, sibling.status]).toEqual(["cancelled", "cancelled"]);
    });

    it("allows the function to spawn in its synchronous part", async () => {
      await TaskScope.run(async (scope) => {
        const outer = scope.spawn(() => scope.spawn(() => scope.spawn(() => "inner")));
        expect(scope.size).toBe(3);
        await expect(outer).resolves.toBe("inner");
      });
    });

    it("starts a delayed task outside any spawn or cancel", async () => {
      const scope = new TaskScope({ concurrency: 1 });
      const log = new EventLog();
      const first = scope.spawn((token) => sleep(Infinity, token));
      scope.spawn(log.note("delayed"));
      first.cancel();
      log.add("cancelled");
      scope.spawn(log.note("third"));
      log.add("spawned");
      await scope.join();
      expect(log.events).toEqual(["cancelled", "spawned", "delayed", "third"]);
    });
  });

  describe("during cancel (L6)", () => {
    it("calls onCancel callbacks, and no callback of the owner, not even for pending tasks", async () => {
      const log = new EventLog();
      const scope = new TaskScope({ concurrency: 1, onTaskDone: log.note("onTaskDone") });
      const running = scope.spawn((token) => {
        token.onCancel(log.note("onCancel"));
        return sleep(Infinity, token);
      });
      const pending = scope.spawn(() => 1);
      for (const task of [running, pending]) task.onDone(log.note("onDone"));
      scope.cancel();
      log.add("cancelled");
      expect(log.events).toEqual(["onCancel", "cancelled"]);
      expect(scope.size).toBe(2);
      await scope.join();
      expect(log.events.slice(2).sort()).toEqual(["onDone", "onDone", "onTaskDone", "onTaskDone"]);
    });

    it("holds for a task that is cancelled alone", async () => {
      const log = new EventLog();
      const scope = new TaskScope({ concurrency: 1, onTaskDone: log.note("onTaskDone") });
      const running = scope.spawn((token) => sleep(Infinity, token));
      const pending = scope.spawn(() => 1);
      for (const task of [pending, running]) {
        task.cancel();
        log.add("cancelled");
      }
      expect(log.events).toEqual(["cancelled", "cancelled"]);
      await scope.join();
      expect(log.events).toEqual(["cancelled", "cancelled", "onTaskDone", "onTaskDone"]);
    });
  });

  describe("a failure that cannot be looked at", () => {
    const refuse = throwing(new Error("trap"));
    const hostile: [string, () => unknown][] = [
      ["an object without a prototype", () => Object.create(null) as unknown],
      [
        "an error whose message cannot be read",
        () => Object.defineProperty(new Error(), "message", { get: refuse }),
      ],
      ["an object whose name cannot be read", () => Object.defineProperty({}, "name", { get: refuse })],
      [
        "a revoked proxy",
        () => {
          const { proxy, revoke } = Proxy.revocable({}, {});
          revoke();
          return proxy;
        },
      ],
      [
        "a proxy that refuses everything",
        () => new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse }),
      ],
    ];

    it.each(hostile)("is reported by a scope, once, and the scope closes: %s", async (_, make) => {
      using reports = captureReports();
      const failure = make();
      const scope = new TaskScope();
      const task = scope.spawn(throwing(failure));
      const joined = vi.fn();
      void scope.join().finally(joined);
      await macrotask();
      expect(task.status).toBe("failed");
      expect(joined).toHaveBeenCalledTimes(1);
      expect(reports).toHaveLength(1);
      expect(Object.is(reports[0]?.error, failure)).toBe(true);
    });

    it.each(hostile)("comes out of a group, its siblings cancelled: %s", async (_, make) => {
      using reports = captureReports();
      const failure = make();
      let caught: unknown;
      const group = new TaskGroup();
      const sibling = group.spawn((token) => sleep(Infinity, token));
      group.spawn(throwing(failure));
      group.join().catch((error: unknown) => {
        caught = error;
      });
      await macrotask();
      expect(sibling.status).toBe("cancelled");
      const errors = (caught as { errors?: unknown[] } | undefined)?.errors ?? [];
      expect(errors).toHaveLength(1);
      expect(Object.is(errors[0], failure)).toBe(true);
      expect(reports).toHaveLength(0);
    });
  });
});
