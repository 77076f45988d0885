/** Who waits for whom, and deadlocks. */
import { TaskScope, sleep, type Task } from "@scope/core";
import { type ScopeNode, type Snapshot, formatTree } from "@scope/inspect";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, flushMicrotasks, macrotask, waits } from "@scope/test-utils";
import { describe, expect, it } from "vitest";
import { findCycles } from "../src/cycles.ts";
import { inspecting, task, tree } from "./inspecting.ts";

const deadlocks = (snapshot: Snapshot): string[] =>
  tree(snapshot).filter((line) => line.startsWith("deadlock"));

describe("a task", () => {
  it("waits for those that it awaits together, and no more for what has ended", async () => {
    const inspected = inspecting({ waits: true });
    const gate = new Deferred();
    const scope = new TaskScope();
    const one = scope.spawn(() => gate.promise, { name: "one" });
    const two = scope.spawn(waits, { name: "two" });
    scope.spawn(() => Promise.all([one, two]).catch(() => undefined), { name: "both" });
    await macrotask();
    let seen = await inspected.snapshot();
    expect(task(seen, "both").waitsFor).toMatchObject([
      { for: "task", id: task(seen, "one").id, name: "one" },
      { for: "task", name: "two" },
    ]);
    gate.resolve();
    await macrotask();
    seen = await inspected.snapshot();
    expect(task(seen, "both").waitsFor).toMatchObject([{ name: "two" }]);
    await scope.stop();
  });

  it("does not wait any more for what it has left behind, once it waits for another", async () => {
    const inspected = inspecting({ waits: true });
    const scope = new TaskScope();
    const slow = scope.spawn(waits, { name: "slow" });
    const later = scope.spawn(waits, { name: "later" });
    const gate = new Deferred();
    scope.spawn(
      async () => {
        await Promise.race([slow, gate.promise]);
        await later.catch(() => undefined);
      },
      { name: "racer" },
    );
    await macrotask();
    gate.resolve();
    await macrotask();
    expect(task(await inspected.snapshot(), "racer").waitsFor).toMatchObject([{ name: "later" }]);
    slow.catch(() => undefined);
    await scope.stop();
  });

  it("waits for the scope that it has opened, and goes on waiting for one that was pending when it has begun", async () => {
    const inspected = inspecting({ waits: true });
    const scope = new TaskScope({ name: "scope" });
    const first = new Deferred();
    scope.spawn(
      (token) =>
        TaskScope.run(
          (inner) => {
            inner.spawn(() => first.promise, { name: "first" });
            const pending = inner.spawn(waits, { name: "pending" });
            scope.spawn(() => pending.catch(() => undefined), { name: "waiter" });
          },
          { name: "inner", token, concurrency: 1 },
        ),
      { name: "outer" },
    );
    await macrotask();
    first.resolve();
    await macrotask();
    expect(tree(await inspected.snapshot())).toEqual(
      [
        'TaskScope "scope" open AGE, 2 tasks',
        '├─ "outer" running AGE; waits for TaskScope "inner"',
        '│  └─ TaskScope "inner" closing AGE, 1 task',
        '│     └─ "pending" running AGE; waits to be cancelled',
        '└─ "waiter" running AGE; waits for task "pending"',
      ].map((line) => line.replace("; waits to be cancelled", "")),
    );
    await scope.stop();
  });

  it("is known to wait for no other without `waits`", async () => {
    const inspected = inspecting({ waits: false });
    const scope = new TaskScope();
    const one = scope.spawn(waits);
    scope.spawn(() => one.catch(() => undefined), { name: "waiter" });
    await macrotask();
    expect(task(await inspected.snapshot(), "waiter").waitsFor).toEqual([]);
    await scope.stop();
  });

  it("leaves nothing behind, even if its code goes on after its end", async () => {
    const inspected = inspecting({ waits: true });
    const scope = new TaskScope();
    const awaited = scope.spawn(waits, { name: "awaited" });
    for (let index = 0; index < 3_000; index++) {
      scope.spawn(() => {
        setTimeout(() => void awaited.catch(() => undefined), 1);
      });
    }
    await sleep(20);
    const [seen] = (await inspected.snapshot()).scopes;
    expect(seen?.tasks.map(({ name }) => name)).toEqual(["awaited"]);
    await scope.stop();
  });
});

describe("a deadlock", () => {
  it("of two tasks that wait for each other is named", async () => {
    const inspected = inspecting({ waits: true });
    const group = new TaskGroup({ name: "group" });
    const tasks: Task<unknown>[] = [];
    const stuck = (
      token: { race: (task: Task<unknown>) => Promise<unknown> },
      other: number,
    ): Promise<unknown> => macrotask().then(() => token.race(tasks[other]!));
    tasks.push(group.spawn((token) => stuck(token, 1), { name: "a" }));
    tasks.push(group.spawn((token) => stuck(token, 0), { name: "b" }));
    group.spawn((token) => stuck(token, 0), { name: "c" });
    await macrotask();
    await macrotask();
    const seen = await inspected.snapshot();
    expect(seen.cycles.map((cycle) => cycle.length)).toEqual([2]);
    expect(tree(seen)).toEqual([
      'deadlock: task "a" waits for task "b", which waits for task "a"',
      'TaskGroup "group" open AGE, 3 tasks',
      '├─ "a" running AGE; waits for task "b"; DEADLOCK',
      '├─ "b" running AGE; waits for task "a"; DEADLOCK',
      '└─ "c" running AGE; waits for task "a"',
    ]);
    await group.stop();
    expect((await inspected.snapshot()).cycles).toEqual([]);
  });

  it("of a task that joins its own scope is named", async () => {
    const inspected = inspecting({ waits: true });
    const scope = new TaskScope({ name: "own" });
    scope.spawn((token) => token.race(scope.join()), { name: "joiner" });
    await macrotask();
    expect(deadlocks(await inspected.snapshot())).toEqual([
      'deadlock: task "joiner" waits for TaskScope "own", which waits for task "joiner"',
    ]);
    await scope.stop().catch(() => undefined);
  });

  it("of a task that awaits a sibling which waits for its slot is named", async () => {
    const inspected = inspecting({ waits: true });
    const scope = new TaskScope({ concurrency: 1 });
    scope.spawn(
      (token) => {
        const sibling = scope.spawn(waits, { name: "sibling" });
        return token.race(sibling);
      },
      { name: "holder" },
    );
    scope.spawn(waits, { name: "behind" });
    await macrotask();
    expect(deadlocks(await inspected.snapshot())).toEqual([
      'deadlock: task "holder" waits for pending task "sibling", which waits for task "holder"',
    ]);
    await scope.stop();
  });

  it("is none as long as another task has a slot, or one of several awaited can end, or there is a sleep beside", async () => {
    const inspected = inspecting({ waits: true });
    const limited = new TaskScope({ concurrency: 2 });
    limited.spawn((token) => token.race(limited.spawn(waits, { name: "sibling" })), { name: "holder" });
    limited.spawn(waits, { name: "other" });
    const scope = new TaskScope();
    const free = scope.spawn(waits, { name: "free" });
    const racer: Task<unknown> = scope.spawn(
      (token) => token.race(macrotask().then(() => Promise.race([back, free, sleep(10_000, token)]))),
      { name: "racer" },
    );
    const back: Task<unknown> = scope.spawn((token) => token.race(racer), { name: "back" });
    const sleeper: Task<unknown> = scope.spawn(
      (token) => macrotask().then(() => token.race(Promise.race([sleep(10_000, token), mate]))),
      { name: "sleeper" },
    );
    const mate: Task<unknown> = scope.spawn((token) => token.race(sleeper), { name: "mate" });
    await macrotask();
    await flushMicrotasks();
    await macrotask();
    expect((await inspected.snapshot()).cycles).toEqual([]);
    back.catch(() => undefined);
    await Promise.all([limited.stop(), scope.stop()]);
  });
});

describe(findCycles, () => {
  it("finds one circle of each knot, in a graph of any size, without recursion", () => {
    const chain = Array.from({ length: 100_000 }, (_, index) => ({
      id: String(index),
      on: [String((index + 1) % 100_000)],
      needs: "all" as const,
    }));
    expect(findCycles(chain)).toEqual([expect.objectContaining({ length: 100_000 })]);
    const knot = [
      { id: "a", on: ["b", "c"], needs: "any" },
      { id: "b", on: ["a"], needs: "any" },
      { id: "c", on: ["a", "b"], needs: "all" },
      { id: "x", on: ["x"], needs: "any" },
      { id: "y", on: ["x", "gone"], needs: "any" },
      { id: "z", on: ["x", "gone"], needs: "all" },
    ] as const;
    expect(findCycles(knot).map((cycle) => cycle.sort().join())).toEqual(["a,b", "x"]);
  });
});

describe(formatTree, () => {
  const scope = (name: string, more: Partial<ScopeNode> = {}): ScopeNode => ({
    id: "s1",
    kind: "TaskScope",
    name,
    state: "open",
    openedAt: 0,
    waitsFor: [],
    tasks: [],
    scopes: [],
    ...more,
  });
  const snapshot = (more: Partial<Snapshot> = {}): Snapshot => ({
    version: 1,
    pid: 7,
    title: "app.js",
    takenAt: 0,
    scopes: [],
    cycles: [],
    ...more,
  });

  it("says so when there is nothing to show", () => {
    expect(formatTree(snapshot({ pid: 0, title: "" }))).toBe(
      "(no title), 1970-01-01T00:00:00.000Z\nno scope is open",
    );
  });

  it("shows control characters, and what hides or reorders text, as escapes", () => {
    const text = formatTree(
      snapshot({
        title: "a\u0007b",
        scopes: [scope("x\u001b[31m\n\u202e\ud800", { kind: "A\tB", site: "f\r (g.ts)" })],
      }),
    );
    expect(text).not.toMatch(/[^\n\P{C}]/u);
    expect(text).toContain('A\\u{9}B "x\\u{1b}[31m\\u{a}\\u{202e}\\u{d800}"');
  });

  it.each([
    [340, "340 ms"],
    [12_540, "12.5 s"],
    [59_990, "59.9 s"],
    [200_000, "3 min 20 s"],
    [18_190_000, "5 h 3 min"],
    [187_300_000, "2 d 4 h"],
    [-5, "0 ms"],
  ])("shows an age of %d ms as %s", (ms, shown) => {
    expect(formatTree(snapshot({ takenAt: ms, scopes: [scope("x")] }))).toContain(`open ${shown}, 0 tasks`);
  });

  it("shows ids and sites, and draws in ASCII, on request", () => {
    const inner = scope("inner", { site: "open (app.ts:1:2)\nmain (app.ts:9:9)" });
    const waiting = {
      id: "t1",
      name: "task",
      status: "running" as const,
      spawnedAt: 0,
      restarts: 1,
      site: "spawn (app.ts:3:4)",
      cancel: { reason: "enough", source: "timeout" as const },
      waitsFor: [
        { for: "scope" as const, id: "s9", name: "gone" },
        { for: "slot" as const, ahead: 2 },
      ],
      scopes: [inner],
    };
    const seen = snapshot({
      scopes: [scope("outer", { tasks: [waiting], scopes: [scope("last")] })],
      cycles: [["t1"], ["s8", "s9"]],
    });
    expect(formatTree(seen, { ids: true, ascii: true }).split("\n")).toEqual([
      "app.js (pid 7), 1970-01-01T00:00:00.000Z",
      'deadlock 1: task "task" waits for itself',
      "deadlock 2: s8 waits for s9, which waits for s8",
      'TaskScope "outer" s1 open 0 ms, 1 task',
      '|- "task" t1 running 0 ms, restarted once; cancel requested (timeout): enough; waits for scope "gone"; waits for a slot, 2 before it; DEADLOCK 1',
      "|  |  at spawn (app.ts:3:4)",
      '|  `- TaskScope "inner" s1 open 0 ms, 0 tasks',
      "|        at open (app.ts:1:2)",
      '`- TaskScope "last" s1 open 0 ms, 0 tasks',
    ]);
    expect(formatTree(seen, { sites: false })).not.toContain("app.ts");
  });

  it("shows a tree of any depth", () => {
    let deep = scope("bottom");
    for (let index = 0; index < 5_000; index++) deep = scope("above", { scopes: [deep] });
    expect(formatTree(snapshot({ scopes: [deep] })).split("\n")).toHaveLength(5_002);
  });
});
