/** What observers are told, in which order, and that nothing of it disturbs what they observe. */
import {
  CancellationSource,
  type ScopeObserver,
  type Task,
  TaskScope,
  type TokenOwner,
  backgroundSpawner,
  observe,
  sleep,
} from "@scope/core";
import { Deferred, EventLog, captureReports, flushMicrotasks, rejection, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

const events = [
  "scopeOpened",
  "scopeClosed",
  "taskSpawned",
  "taskStarted",
  "taskSuspended",
  "taskDone",
  "cancelRequested",
  "awaited",
  "sleeping",
] as const satisfies (keyof ScopeObserver)[];

/** An observer of everything; what it is told comes as one line, its name and the names and figures that it is given. */
function everything(tell: (line: string) => void): ScopeObserver {
  const handler = (event: string) =>
    function (...details: unknown[]): void {
      const told = details.filter(
        (detail): detail is TokenOwner => detail instanceof Object && "token" in detail,
      );
      const [last] = details.filter((detail) => typeof detail === "number" || detail instanceof Error);
      const more = last === undefined ? [] : [last instanceof Error ? last.name : String(last)];
      tell([event, ...told.map(({ name }) => name), ...more].join(" "));
    };
  return Object.fromEntries(events.map((event) => [event, handler(event)]));
}

const undo: (() => void)[] = [];

function record(): EventLog {
  const log = new EventLog();
  undo.push(observe(everything((line) => log.add(line))));
  return log;
}

afterEach(() => {
  for (const unobserve of undo.splice(0)) unobserve();
});

describe("observe", () => {
  it("tells the kind of a scope, which its policy has", async () => {
    const kinds: string[] = [];
    undo.push(observe({ scopeOpened: (scope, _, kind) => kinds.push(`${scope.name}: ${kind}`) }));
    const plain = new TaskScope({ name: "plain" });
    const other = new TaskScope({ name: "other" }, { kind: "Pool" });
    expect(kinds).toEqual(["plain: TaskScope", "other: Pool"]);
    await Promise.all([plain.join(), other.join()]);
  });

  it("tells the life of a scope and of a task in it", async () => {
    const log = record();
    await TaskScope.run(
      (scope) => {
        scope.spawn(() => log.add("called"), { name: "task" });
        log.add("spawned");
      },
      { name: "scope", onTaskDone: () => log.add("owner told") },
    );
    expect(log.events).toEqual([
      "scopeOpened scope",
      "taskSpawned task scope",
      "taskStarted task",
      "called",
      "taskSuspended task",
      "spawned",
      "awaited scope",
      "taskDone task",
      "owner told",
      "scopeClosed scope",
    ]);
  });

  it("shows a task that has ended with its outcome", async () => {
    const seen: unknown[] = [];
    undo.push(
      observe({
        taskDone: ({ name, status, error }) => {
          seen.push([name, status, error]);
        },
      }),
    );
    const boom = new Error("boom");
    await TaskScope.run(
      (scope) => {
        scope.spawn(() => 1, { name: "a" });
        scope.spawn(() => Promise.reject(boom), { name: "b" });
        scope.spawn(waits, { name: "c" }).cancel("enough");
      },
      { onError: "ignore" },
    );
    expect(seen).toEqual([
      ["a", "succeeded", undefined],
      ["b", "failed", boom],
      ["c", "cancelled", expect.objectContaining({ reason: "enough" })],
    ]);
  });

  it("tells of a pending task when it is spawned, and again when its turn has come", async () => {
    const log = record();
    const gate = new Deferred();
    await TaskScope.run(
      async (scope) => {
        scope.spawn(() => gate.promise, { name: "first" });
        const second = scope.spawn(() => undefined, { name: "second" });
        const third = scope.spawn(() => undefined, { name: "third" });
        log.take();
        gate.resolve();
        await flushMicrotasks();
        expect(third.done && second.done).toBe(true);
      },
      { concurrency: 1 },
    );
    expect(log.events.slice(0, -2)).toEqual([
      "taskDone first",
      ...["taskStarted second", "taskSuspended second", "taskDone second"],
      ...["taskStarted third", "taskSuspended third", "taskDone third"],
    ]);
  });

  describe("names the parent of a scope", () => {
    it.each<[string, (task: Task<unknown>, scope: TaskScope) => TaskScope]>([
      ["given the task's token", ({ token }) => new TaskScope({ token, name: "inner" })],
      ["given a token below it", ({ token }) => new TaskScope({ token: token.child().token, name: "inner" })],
      ["given its signal", ({ token }) => new TaskScope({ token: token.signal, name: "inner" })],
      ["shielded", ({ token }) => new TaskScope({ token, shield: true, name: "inner" })],
    ])("%s: the task", async (_, open) => {
      const log = record();
      await TaskScope.run(
        async (scope) => {
          const task = scope.spawn(waits, { name: "task" });
          log.take();
          const inner = open(task, scope);
          expect(log.take()).toEqual(["scopeOpened inner task"]);
          scope.cancel();
          await inner.stop();
        },
        { name: "outer" },
      );
    });

    it("given a scope's token: the scope, and nobody otherwise", async () => {
      const log = record();
      using source = new CancellationSource();
      const outer = new TaskScope({ name: "outer", token: source.token });
      const inner = new TaskScope({ name: "inner", token: outer.token });
      await inner.join();
      await outer.join();
      expect(log.events).toEqual([
        "scopeOpened outer",
        "scopeOpened inner outer",
        ...["awaited inner", "scopeClosed inner", "awaited outer", "scopeClosed outer"],
      ]);
    });
  });

  it("tells who is asked to end: once each, pending tasks and scopes below included", async () => {
    const log = record();
    await TaskScope.run(
      async (scope) => {
        const task = scope.spawn(waits, { name: "task" });
        scope.spawn(waits, { name: "pending" });
        const inner = new TaskScope({ name: "inner", token: task.token });
        log.take();
        scope.cancel("enough");
        expect(log.take().sort()).toEqual([
          "cancelRequested inner AbortError",
          "cancelRequested outer AbortError",
          "cancelRequested pending AbortError",
          "cancelRequested task AbortError",
        ]);
        expect(task.token.signal.aborted).toBe(true);
        scope.cancel();
        task.cancel();
        expect(log.events).toEqual([]);
        await inner.join().catch(() => undefined);
      },
      { name: "outer", concurrency: 1 },
    );
  });

  it("tells once of a task that was asked alone, before its scope is", async () => {
    const log = record();
    const gate = new Deferred();
    const scope = new TaskScope({ name: "scope" });
    const task = scope.spawn(() => gate.promise, { name: "task" });
    log.take();
    task.cancel("alone");
    scope.cancel("all");
    expect(log.take()).toEqual(["cancelRequested task AbortError", "cancelRequested scope AbortError"]);
    gate.resolve();
    await scope.join();
  });

  it("tells once of a scope and its task that are below what is cancelled by two ways", async () => {
    const log = record();
    using root = new CancellationSource();
    using one = root.token.child();
    using other = root.token.child();
    using both = new CancellationSource({ parent: [one.token, other.token] });
    const scope = new TaskScope({ name: "scope", token: both.token });
    scope.spawn(waits, { name: "task" });
    log.take();
    root.cancel();
    expect(log.take()).toEqual(["cancelRequested scope AbortError", "cancelRequested task AbortError"]);
    await scope.stop();
  });

  it("tells once of who awaits a pending task, however long that runs", async () => {
    const gate = new Deferred();
    const scope = new TaskScope({ concurrency: 1 });
    scope.spawn(() => gate.promise);
    const pending = scope.spawn(() => flushMicrotasks(), { name: "pending" });
    const log = record();
    const awaited = pending.then(() => undefined);
    gate.resolve();
    await awaited;
    expect(log.events.filter((line) => line.startsWith("awaited"))).toEqual(["awaited pending"]);
    await scope.join();
  });

  it("tells who is waited for, and who sleeps", async () => {
    vi.useFakeTimers();
    const log = record();
    try {
      await TaskScope.run(
        async (scope) => {
          const sleeper = scope.spawn((token) => sleep(250, token), { name: "sleeper" });
          const nested = scope.spawn(
            async (token) => {
              using source = token.child();
              await sleep(50, source.token);
            },
            { name: "nested" },
          );
          await vi.advanceTimersByTimeAsync(250);
          log.take();
          await Promise.all([sleeper, nested.catch(() => undefined), nested.finally(() => undefined)]);
          expect(log.events.sort()).toEqual(["awaited nested", "awaited nested", "awaited sleeper"]);
          await sleep(0, scope.token).catch(() => undefined);
        },
        { name: "scope", timeout: 250 },
      ).catch(() => undefined);
      const sleeping: string[] = [];
      undo.push(
        observe({
          sleeping: (owner, ms) => {
            sleeping.push(`${owner?.name} ${ms}`);
          },
        }),
      );
      const scope = new TaskScope({ name: "scope" });
      scope.spawn((token) => sleep(250, token), { name: "sleeper" });
      scope.spawn((token) => sleep(50, token.child().token), { name: "nested" });
      void sleep(1);
      await vi.advanceTimersByTimeAsync(250);
      expect(sleeping).toEqual(["sleeper 250", "nested 50", "undefined 1"]);
      await scope.join();
    } finally {
      vi.useRealTimers();
    }
  });

  it("hands on what a task was spawned with, and whose it is", async () => {
    const seen: unknown[] = [];
    undo.push(
      observe({
        taskSpawned: (...details) => {
          seen.push(details);
        },
      }),
    );
    const scope = new TaskScope();
    const options = { name: "one", colour: "blue" };
    const task = scope.spawn(() => 1, options);
    const bare = scope.spawn(() => 2);
    await scope.join();
    expect(seen).toEqual([
      [task, scope, options],
      [bare, scope, undefined],
    ]);
  });

  it("tells of background tasks too", async () => {
    const log = record();
    await backgroundSpawner.spawn(() => 1, { name: "lonely" });
    expect(log.events).toContain("taskSpawned lonely background");
  });

  it("ends with the function it returns, which may be called again, and inside an event", async () => {
    const log = new EventLog();
    const first = everything(() => {
      log.add("first");
      undoFirst();
      undoFirst();
    });
    const undoFirst = observe(first);
    const undoSecond = observe(everything(() => log.add("second")));
    const scope = new TaskScope();
    expect(log.take()).toEqual(["first", "second"]);
    await scope.join();
    expect(log.take()).toEqual(["second", "second"]);
    undoSecond();
    undoSecond();
    await TaskScope.run(() => undefined);
    expect(log.events).toEqual([]);
  });

  it("tells each of several once, the oldest first, also when one takes others off meanwhile", () => {
    const log = new EventLog();
    const undoFirst = observe(everything(() => log.add("first")));
    const undoSecond = observe(
      everything(() => {
        log.add("second");
        undoFirst();
        undoThird();
      }),
    );
    const undoThird = observe(everything(() => log.add("third")));
    void new TaskScope();
    expect(log.take()).toEqual(["first", "second"]);
    void new TaskScope();
    expect(log.take()).toEqual(["second"]);
    undoSecond();
  });

  it("tells an observer that was given twice twice, until both are over", () => {
    const log = new EventLog();
    const observer = everything(() => log.add("told"));
    const [one, other] = [observe(observer), observe(observer)];
    void new TaskScope();
    expect(log.take()).toEqual(["told", "told"]);
    one();
    one();
    void new TaskScope();
    expect(log.take()).toEqual(["told"]);
    other();
  });

  it("reports what an observer throws, and goes on (L9)", async () => {
    using reports = captureReports();
    const boom = new Error("boom");
    const log = record();
    undo.push(
      observe({
        taskDone() {
          throw boom;
        },
      }),
    );
    await expect(TaskScope.run((scope) => scope.spawn(() => 42))).resolves.toBe(42);
    expect([...reports]).toEqual([{ message: "Error in an observer", error: boom }]);
    expect(log.events.at(-1)).toMatch(/^scopeClosed/);
  });

  it.each([undefined, null, "observer", 5])("refuses %s, which is no object: TypeError", (observer) => {
    expect(() => observe(observer as never)).toThrow(/^Expected `observer` to be an object, got/);
  });

  it("calls what an observer has, as its method", async () => {
    class Counter implements ScopeObserver {
      count = 0;
      taskDone(): void {
        this.count++;
      }
    }
    const counter = new Counter();
    undo.push(observe(counter));
    await TaskScope.run((scope) => void scope.spawn(() => 1));
    expect(counter.count).toBe(1);
  });

  it("changes nothing about how a scope that nobody joined is cancelled by its outer token", async () => {
    record();
    using source = new CancellationSource();
    const scope = new TaskScope({ token: source.token });
    const task = scope.spawn(waits);
    source.cancel("enough");
    expect([...scope.tasks]).toEqual([task]);
    expect(await rejection(scope.join())).toBe(source.token.error);
  });
});
