/** What a snapshot shows of the owners of all packages, and what it costs in memory. */
import { readFileSync } from "node:fs";
import { type CancellationSource, TaskScope, backgroundSpawner, sleep } from "@scope/core";
import { spawn, stopBackgroundTasks } from "@scope/guarded";
import { inspect } from "@scope/inspect";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import { Supervisor } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, captureReports, collectGarbage, flushMicrotasks, growth, waits } from "@scope/test-utils";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { everything, inspecting, task, tree } from "./inspecting.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("a snapshot", () => {
  it("shows scopes below the tasks and the scopes whose tokens they were given", async () => {
    const inspected = inspecting({ waits: false });
    const outer = new TaskScope({ name: "outer" });
    const first = outer.spawn(waits, { name: "first" });
    outer.spawn(waits, { name: "second" });
    const below = new TaskGroup({ name: "below", token: first.token });
    below.spawn(waits, { name: "third" });
    const beside = new TaskScope({ name: "beside", token: outer.token });
    expect(tree(await inspected.snapshot())).toEqual([
      'TaskScope "outer" open AGE, 2 tasks',
      '├─ "first" running AGE',
      '│  └─ TaskGroup "below" open AGE, 1 task',
      '│     └─ "third" running AGE',
      '├─ "second" running AGE',
      '└─ TaskScope "beside" open AGE, 0 tasks',
    ]);
    outer.cancel();
    await Promise.all([outer.stop(), below.stop(), beside.stop()]);
    expect((await inspected.snapshot()).scopes).toEqual([]);
  });

  it("passes over scopes without a name, which classes keep for the engine, until there is a task in one", async () => {
    const inspected = inspecting();
    const kept = new TaskScope({ name: "" });
    const group = new TaskGroup({ name: "" });
    expect((await inspected.snapshot()).scopes).toEqual([]);
    await group.join();
    expect((await inspected.events(1)).events).toEqual([]);
    kept.spawn(waits, { name: "task" });
    expect(tree(await inspected.snapshot())).toEqual([
      'TaskScope "" open AGE, 1 task',
      '└─ "task" running AGE',
    ]);
    await kept.stop();
    expect((await inspected.snapshot()).scopes).toEqual([]);
  });

  it("has a scope whose parent has gone stand by itself", async () => {
    const inspected = inspecting();
    const outer = new TaskScope({ name: "outer" });
    const inner = new TaskScope({ name: "inner", token: outer.token });
    await outer.join();
    const { scopes } = await inspected.snapshot();
    expect(scopes.map(({ name }) => name)).toEqual(["inner"]);
    await inner.join();
  });

  it("shows requests to end with reason, source and time", async () => {
    const inspected = inspecting();
    const before = Date.now();
    const scope = new TaskScope({ name: "scope" });
    const gate = new Deferred();
    scope.spawn(() => gate.promise, { name: "asked" }).cancel("enough");
    scope.spawn(() => gate.promise, { name: "other" });
    void scope.stop({ reason: new Error("going down") });
    const seen = await inspected.snapshot();
    expect(seen.scopes[0]).toMatchObject({
      state: "closing",
      cancel: { reason: "Error: going down", source: "shutdown" },
    });
    expect(task(seen, "asked").cancel).toMatchObject({ reason: "enough", source: "explicit" });
    const { at = 0 } = task(seen, "other").cancel ?? {};
    expect(at >= before && at <= Date.now()).toBe(true);
    gate.resolve();
    await scope.stop();
  });

  it("shows a sleep with what is left of it, until it is over or cancelled", async () => {
    vi.useFakeTimers();
    const inspected = inspecting({ waits: false });
    const gate = new Deferred();
    const scope = new TaskScope();
    scope.spawn((token) => sleep(250, token).then(() => gate.promise), { name: "short" });
    scope.spawn((token) => sleep(Infinity, token).catch(() => gate.promise), { name: "long" });
    await vi.advanceTimersByTimeAsync(100);
    let seen = await inspected.snapshot();
    expect(task(seen, "short").waitsFor).toEqual([{ for: "sleep", remaining: 150 }]);
    expect(task(seen, "long").waitsFor).toEqual([{ for: "cancellation" }]);
    await vi.advanceTimersByTimeAsync(150);
    scope.cancel();
    seen = await inspected.snapshot();
    expect(everything(seen).tasks.map(({ waitsFor }) => waitsFor)).toEqual([[], []]);
    gate.resolve();
    await scope.stop();
  });

  it("shows a sleep of a scope's body", async () => {
    vi.useFakeTimers();
    const inspected = inspecting();
    const running = TaskScope.run((scope) => sleep(100, scope.token), { name: "scope" });
    const [scope] = (await inspected.snapshot()).scopes;
    expect(scope?.waitsFor).toEqual([{ for: "sleep", remaining: 100 }]);
    await vi.advanceTimersByTimeAsync(100);
    await running;
  });

  it("shows who waits for a slot, with how many are before it, and since when others have one", async () => {
    vi.useFakeTimers();
    const inspected = inspecting();
    const scope = new TaskScope({ concurrency: 1 });
    const gate = new Deferred();
    scope.spawn(() => gate.promise, { name: "a" });
    scope.spawn(waits, { name: "b" });
    scope.spawn(waits, { name: "c" });
    const begun = Date.now();
    let seen = await inspected.snapshot();
    expect(task(seen, "b")).toMatchObject({ status: "pending", waitsFor: [{ for: "slot", ahead: 0 }] });
    expect(task(seen, "c")).toMatchObject({ status: "pending", waitsFor: [{ for: "slot", ahead: 1 }] });
    expect(task(seen, "c")).not.toHaveProperty("startedAt");
    await vi.advanceTimersByTimeAsync(500);
    vi.useRealTimers();
    await new Promise(setImmediate);
    vi.useFakeTimers({ now: begun + 500 });
    gate.resolve();
    await flushMicrotasks();
    seen = await inspected.snapshot();
    expect(task(seen, "b")).toMatchObject({ spawnedAt: begun, startedAt: begun + 500, waitsFor: [] });
    scope.cancel();
    await scope.stop();
  });

  it("shows a supervisor as one scope, with its attempts and their restarts, and never its keeper", async () => {
    using reports = captureReports();
    const inspected = inspecting();
    const supervisor = new Supervisor({ name: "workers" });
    let attempts = 0;
    const settled = new Deferred();
    supervisor.supervise(
      async (token) => {
        if (++attempts < 3) throw new Error("again");
        settled.resolve();
        await waits(token);
      },
      { name: "worker", backoff: { initial: 0 } },
    );
    supervisor.spawn(waits, { name: "once" });
    await settled.promise;
    const seen = await inspected.snapshot();
    expect(tree(seen)).toEqual([
      'Supervisor "workers" open AGE, 2 tasks',
      '├─ "once" running AGE',
      '└─ "worker" running AGE, restarted 2 times',
    ]);
    const { events } = await inspected.events(0);
    expect(JSON.stringify(events)).not.toContain("\\u0000");
    expect([...reports]).toHaveLength(2);
    expect(events.filter(({ type }) => type === "scope-opened")).toHaveLength(1);
    const parents = events.flatMap(({ type, parent }) => (type === "task-spawned" ? [parent] : []));
    expect(new Set(parents)).toEqual(new Set([seen.scopes[0]?.id]));
    expect(events.flatMap(({ name, restarts }) => (name === "worker" ? [restarts] : []))).toEqual([0, 1, 2]);
    await supervisor.stop();
    expect((await inspected.snapshot()).scopes).toEqual([]);
    const ended = (await inspected.events(0)).events.filter(({ type }) => type === "task-done");
    expect(ended.map(({ status }) => status)).toEqual(["failed", "failed", "cancelled", "cancelled"]);
  });

  it("tells a supervisor below another of the same name from the other's attempts", async () => {
    const inspected = inspecting();
    const outer = new Supervisor({ name: "same" });
    const inner = new Supervisor({ name: "same", token: outer.token });
    const [first] = (await inspected.snapshot()).scopes;
    expect(first?.scopes.map(({ kind, name }) => `${kind} ${name}`)).toEqual(["Supervisor same"]);
    await inner.stop();
    await outer.stop();
  });

  it("shows services and persistent groups under their own kinds", async () => {
    class Clock extends ServiceBase {
      protected override async main(token: CancellationSource["token"]): Promise<void> {
        this.spawn(waits, { name: "tick" });
        await waits(token);
      }
    }
    const inspected = inspecting({ waits: false });
    const services = new ServiceGroup([new Clock({ uniqueId: "c" })], { uniqueId: "all" });
    services.start();
    await services.ready();
    const group = new PersistentTaskGroup({ uniqueId: "p" });
    group.spawn(waits, { name: "probe" });
    expect(tree(await inspected.snapshot())).toEqual([
      'Clock "c" open AGE, 2 tasks',
      '├─ "Clock:c" running AGE',
      '└─ "Clock:c:tick" running AGE',
      'ServiceGroup "all" open AGE, 2 tasks',
      '├─ "ServiceGroup:all" running AGE; waits to be cancelled',
      '└─ "ServiceGroup:all:c" running AGE',
      'PersistentTaskGroup "p" open AGE, 1 task',
      '└─ "PersistentTaskGroup:p:probe" running AGE',
    ]);
    await services[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
  });

  it("shows background tasks", async () => {
    const inspected = inspecting();
    const guarded = spawn(waits, { name: "guarded" });
    const plain = backgroundSpawner.spawn(waits, { name: "plain" });
    const { tasks } = everything(await inspected.snapshot());
    expect(tasks.map(({ name }) => name).sort()).toEqual(["guarded", "plain"]);
    plain.cancel();
    await stopBackgroundTasks();
    expect(guarded.done).toBe(true);
  });

  it("shows scopes that were opened before, as soon as something happens in them", async () => {
    const scope = new TaskScope({ name: "early" });
    scope.spawn(waits, { name: "before" });
    const inspected = inspecting();
    expect((await inspected.snapshot()).scopes).toEqual([]);
    scope.spawn(waits, { name: "after" });
    const [seen] = (await inspected.snapshot()).scopes;
    expect(seen?.tasks.map(({ name }) => name)).toEqual(["before", "after"]);
    await scope.stop();
  });

  it("fits its schema, whatever is in it", async () => {
    vi.useFakeTimers();
    const schema = JSON.parse(
      readFileSync(new URL("../snapshot.schema.json", import.meta.url), "utf8"),
    ) as object;
    const validate = new Ajv2020({ strict: true }).compile(schema);
    const inspected = inspecting({ waits: true, sites: true });
    const supervisor = new Supervisor({ concurrency: 1 });
    supervisor.supervise(waits, { name: "child" });
    const one = supervisor.spawn((token) => sleep(100, token), { name: "one" });
    supervisor.spawn(waits);
    const scope = new TaskScope({ token: one.token });
    const waiting = scope.spawn((token) => sleep(Infinity, token));
    scope.spawn(async () => {
      await waiting.catch(() => undefined);
    });
    await vi.advanceTimersByTimeAsync(10);
    one.cancel(Symbol("why"));
    const seen = JSON.parse(JSON.stringify(await inspected.snapshot())) as unknown;
    validate(seen);
    expect(validate.errors).toBeNull();
    expect(validate({ version: 1 })).toBe(false);
    await supervisor.stop();
    await scope.stop();
  });

  it("has the ages of 20,000 live tasks within a hundredth", async () => {
    vi.useFakeTimers();
    const inspected = inspecting();
    const scope = new TaskScope();
    const spawned: number[] = [];
    for (let index = 0; index < 20_000; index++) {
      vi.setSystemTime(Date.now() + 50);
      scope.spawn(waits);
      spawned.push(Date.now());
    }
    const { takenAt, scopes } = await inspected.snapshot();
    const errors = scopes[0]!.tasks.map(({ spawnedAt }, index) => {
      const right = takenAt - spawned[index]!;
      return Math.abs(takenAt - spawnedAt - right) / (right + 1);
    });
    expect(Math.max(...errors)).toBeLessThan(0.01);
    await scope.stop();
  });
});

describe("inspect", () => {
  it.each([
    [{ events: 0 }, RangeError],
    [{ events: Infinity }, RangeError],
    [{ waits: 1 }, TypeError],
    [{ sites: "yes" }, TypeError],
  ])("refuses %j (L11)", (options, expected) => {
    expect(() => inspect(options as never)).toThrow(expected);
  });

  it("does not keep a scope that was dropped without being closed", async () => {
    const inspected = inspecting();
    const grown = await growth(20_000, (count) => {
      for (let index = 0; index < count; index++) void new TaskScope();
    });
    await collectGarbage();
    expect(grown).toBeLessThan(3_000_000);
    expect((await inspected.snapshot()).scopes.length).toBeLessThan(5_000);
  });

  it("keeps a scope with live tasks that nobody else refers to", async () => {
    const inspected = inspecting();
    const open = (): void => {
      const scope = new TaskScope({ name: "lost" });
      scope.spawn(() => new Promise(() => {}), { name: "lost" });
      // Else core would warn of each when the test is over.
      void scope.join();
    };
    for (let index = 0; index < 3_000; index++) open();
    await collectGarbage();
    expect(everything(await inspected.snapshot()).tasks).toHaveLength(3_000);
  });

  it("wakes a scope that has stood idle under the number that it had", async () => {
    const inspected = inspecting();
    const idle = new TaskScope({ name: "idle" });
    const { id } = (await inspected.snapshot()).scopes[0]!;
    for (let index = 0; index < 3_000; index++) void new TaskScope();
    expect((await inspected.snapshot()).scopes.find(({ name }) => name === "idle")?.id).toBe(id);
    idle.spawn(waits);
    expect((await inspected.snapshot()).scopes.find(({ name }) => name === "idle")).toMatchObject({
      id,
      tasks: [{}],
    });
    await idle.stop();
  });

  it("does not grow with a flood of tasks, nor keep their results", async () => {
    inspecting({ waits: false });
    const grown = await growth(100_000, async (count) => {
      await TaskScope.run((scope) => {
        for (let index = 0; index < count; index++)
          scope.spawn(() => ({ big: new Array<number>(10).fill(index) }), { name: "task" });
      });
    });
    expect(grown).toBeLessThan(1_000_000);
  });
});
