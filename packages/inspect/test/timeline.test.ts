/** The timeline: what it tells, in which order, and that it is bounded. */
import { TaskScope } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, collectGarbage, flushMicrotasks, waits } from "@scope/test-utils";
import { describe, expect, it } from "vitest";
import { inspecting } from "./inspecting.ts";

describe("events", () => {
  it("tell the life of scopes and tasks, in order, with names, parents and outcomes", async () => {
    const inspected = inspecting();
    const before = Date.now();
    const gate = new Deferred();
    const scope = new TaskScope({ name: "scope", concurrency: 1, onError: "ignore" });
    const one = scope.spawn(() => gate.promise, { name: "one" });
    const two = scope.spawn(async () => {
      throw new TypeError("boom");
    });
    const group = new TaskGroup({ name: "group", token: one.token });
    gate.resolve();
    await flushMicrotasks();
    await group.join();
    scope.cancel("enough");
    await scope.stop();
    const { events, dropped, next } = await inspected.events(0);
    expect({ dropped, next }).toEqual({ dropped: 0, next: events.length + 1 });
    expect(events.every(({ at }) => at >= before && at <= Date.now())).toBe(true);
    const [s1, s2] = events.flatMap(({ type, id }) => (type === "scope-opened" ? [id] : []));
    const [t1, t2] = [`t${one.id}`, `t${two.id}`];
    expect(
      events.map((event) =>
        Object.fromEntries(Object.entries(event).filter(([key]) => key !== "at" && key !== "stack")),
      ),
    ).toEqual([
      { seq: 1, type: "scope-opened", id: s1, kind: "TaskScope", name: "scope" },
      { seq: 2, type: "task-spawned", id: t1, name: "one", parent: s1, status: "running" },
      { seq: 3, type: "task-spawned", id: t2, name: `task-${two.id}`, parent: s1, status: "pending" },
      { seq: 4, type: "scope-opened", id: s2, kind: "TaskGroup", name: "group", parent: t1 },
      { seq: 5, type: "task-done", id: t1, status: "succeeded" },
      { seq: 6, type: "task-started", id: t2 },
      { seq: 7, type: "task-done", id: t2, status: "failed", error: "TypeError: boom" },
      { seq: 8, type: "scope-closed", id: s2 },
      { seq: 9, type: "cancel-requested", id: s1, reason: "enough", source: "explicit" },
      { seq: 10, type: "scope-closed", id: s1 },
    ]);
    expect(events[6]?.stack).toContain("timeline.test.ts");
  });

  it("are kept up to a number; what was dropped is counted", async () => {
    const inspected = inspecting({ events: 10 });
    await TaskScope.run((scope) => {
      for (let index = 0; index < 20; index++) scope.spawn(() => undefined, { name: `task ${index}` });
    });
    const all = await inspected.events(1);
    expect(all.dropped).toBe(32);
    expect(all.events.map(({ seq }) => seq)).toEqual([33, 34, 35, 36, 37, 38, 39, 40, 41, 42]);
    expect(all.next).toBe(43);
    expect(await inspected.events(all.next)).toEqual({ events: [], dropped: 0, next: 43 });
    expect(await inspected.events(100)).toEqual({ events: [], dropped: 0, next: 100 });
    const some = await inspected.events(40, 2);
    expect([some.events.map(({ seq }) => seq), some.next]).toEqual([[40, 41], 42]);
    await expect(inspected.events(-1)).rejects.toThrow(RangeError);
    await expect(inspected.events(1, 0)).rejects.toThrow("`limit`");
  });

  it("show reasons and errors of every kind, in bounded length, and the stacks of so many a second", async () => {
    const inspected = inspecting();
    const strange = [
      undefined,
      null,
      Symbol("s"),
      { toString: () => "never asked" },
      new Error("x".repeat(5_000)),
      Object.defineProperty(new Error(), "message", {
        get: () => {
          throw new Error("unreadable");
        },
      }),
      Object.defineProperty({}, "stack", {
        get: () => {
          throw new Error("unreadable");
        },
      }),
    ];
    await TaskScope.run(
      (scope) => {
        for (const error of strange) scope.spawn(() => Promise.reject(error as Error));
        for (let index = 0; index < 200; index++) scope.spawn(() => Promise.reject(new Error("flood")));
        scope.spawn(waits).cancel({});
      },
      { onError: "ignore" },
    );
    const ended = (await inspected.events(1)).events.filter(({ type }) => type === "task-done");
    const errors = ended.flatMap(({ error }) => error ?? []);
    expect(errors.slice(0, 4)).toEqual(["undefined", "null", "Symbol(s)", "[object Object]"]);
    expect(errors[4]).toHaveLength(1001);
    expect(errors.slice(5, 7)).toEqual(["(unreadable)", "[object Object]"]);
    const stacks = ended.filter(({ stack }) => stack !== undefined);
    expect(stacks.length).toBeGreaterThan(20);
    expect(stacks.length).toBeLessThan(150);
    const asked = (await inspected.events(1)).events.find(({ type }) => type === "cancel-requested");
    expect(asked?.reason).toBe("[object Object]");
  });

  it("do not keep a finished task, its result or its error alive", async () => {
    inspecting();
    const refs: WeakRef<object>[] = [];
    await TaskScope.run(
      (scope) => {
        for (let index = 0; index < 3; index++) {
          const error = new Error("failed");
          refs.push(
            new WeakRef(error),
            new WeakRef(scope.spawn(() => Promise.reject(error), { name: "task" })),
          );
        }
      },
      { onError: "ignore" },
    );
    await collectGarbage();
    expect(refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
  });
});
