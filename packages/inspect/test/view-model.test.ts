import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { ScopeNode, Snapshot, TaskNode, TimelineEvent } from "../src/types.ts";
import { type TreeRow, flatten } from "../web/filter.ts";
import { age, clock, duration, plural, waitText } from "../web/format.ts";
import { type Entry, type Group, type Lane, Model } from "../web/model.ts";
import { firstAfter, rowsOf } from "../web/paint.ts";

let seq = 0;
type Parts = Partial<TimelineEvent>;

const opened = (at: number, id: string, parts: Parts = {}): TimelineEvent => {
  return { seq: ++seq, at, type: "scope-opened", id, kind: "TaskGroup", name: id, ...parts };
};
const closed = (at: number, id: string): TimelineEvent => ({ seq: ++seq, at, type: "scope-closed", id });
const spawned = (at: number, id: string, parent: string, parts: Parts = {}): TimelineEvent => {
  return { seq: ++seq, at, type: "task-spawned", id, name: id, parent, status: "running", ...parts };
};
const started = (at: number, id: string): TimelineEvent => ({ seq: ++seq, at, type: "task-started", id });
const done = (at: number, id: string, parts: Parts = {}): TimelineEvent => {
  return { seq: ++seq, at, type: "task-done", id, status: "succeeded", ...parts };
};
const asked = (at: number, id: string, parts: Parts = {}): TimelineEvent => {
  return { seq: ++seq, at, type: "cancel-requested", id, reason: "enough", source: "explicit", ...parts };
};

function taskNode(id: string, parts: Partial<TaskNode> = {}): TaskNode {
  return { id, name: id, status: "running", spawnedAt: 1, startedAt: 1, waitsFor: [], scopes: [], ...parts };
}

function scopeNode(id: string, parts: Partial<ScopeNode> = {}): ScopeNode {
  return {
    id,
    kind: "TaskGroup",
    name: id,
    state: "open",
    openedAt: 0,
    waitsFor: [],
    tasks: [],
    scopes: [],
    ...parts,
  };
}

function snapshotOf(takenAt: number, scopes: readonly ScopeNode[], parts: Partial<Snapshot> = {}): Snapshot {
  return { version: 1, pid: 7, title: "app.ts", takenAt, scopes, cycles: [], ...parts };
}

/** The tree in words. */
function treeOf(rows: readonly TreeRow[]): string[] {
  return rows.map(({ entry, level }) => `${"  ".repeat(level - 1)}${entry.name} ${entry.state}`);
}

function living(model: Model): string[] {
  return treeOf(flatten(model.roots, new Set()));
}

/** The rows of the timeline in words: who was in each lane, in the order of time. */
function lanesOf(model: Model): string[] {
  return rowsOf(model.top, -Infinity, Infinity, { query: "", tags: new Set() }).map(
    ({ type, entries }) => `${type}: ${entries.map(({ id }) => id).join(" ")}`,
  );
}

describe("what lives", () => {
  it("comes and goes with the events", () => {
    const model = new Model();

    model.apply([
      opened(1, "s1"),
      spawned(2, "t1", "s1"),
      opened(3, "s2", { parent: "t1" }),
      spawned(4, "t2", "s2", { status: "pending" }),
    ]);
    expect(living(model)).toEqual(["s1 open", "  t1 running", "    s2 open", "      t2 pending"]);
    expect(model.counts).toMatchObject({ scopes: 2, tasks: 2, pending: 1, running: 1, cancelling: 0 });

    model.apply([started(5, "t2"), asked(6, "s2"), asked(6, "t2")]);
    expect(living(model)).toEqual(["s1 open", "  t1 running", "    s2 closing", "      t2 cancelling"]);
    expect(model.entries.get("t2")).toMatchObject({
      startedAt: 5,
      cancel: { reason: "enough", source: "explicit", at: 6 },
    });

    model.apply([done(7, "t2", { status: "cancelled" }), closed(8, "s2"), done(9, "t1"), closed(10, "s1")]);
    expect(living(model)).toEqual([]);
    expect(model.counts).toMatchObject({ scopes: 0, tasks: 0, pending: 0, running: 0, cancelling: 0 });
  });

  it("keeps the first reason to end", () => {
    const model = new Model();

    model.apply([opened(1, "s1"), asked(2, "s1", { reason: "first" }), asked(3, "s1", { reason: "second" })]);

    expect(model.entries.get("s1")!.cancel).toMatchObject({ reason: "first", at: 2 });
  });

  it("goes up to whom its parent hung on, if that ends before it", () => {
    const model = new Model();

    model.apply([opened(1, "s1"), spawned(2, "t1", "s1"), opened(3, "s2", { parent: "t1" }), done(4, "t1")]);

    expect(living(model)).toEqual(["s1 open", "  s2 open"]);
  });

  it("is what a snapshot shows", () => {
    const model = new Model();
    model.apply([opened(1, "s1"), spawned(2, "t1", "s1"), spawned(3, "t2", "s1")]);

    const wait = { for: "task", id: "t2", name: "t2" } as const;
    model.reconcile(
      snapshotOf(
        10,
        [
          scopeNode("s1", {
            state: "closing",
            cancel: { reason: "bye", source: "shutdown" },
            tasks: [taskNode("t2", { restarts: 3, waitsFor: [wait], site: "app.ts:1:1" }), taskNode("t9")],
          }),
        ],
        { cycles: [["t2", "t9"]], blocked: "spin (app.ts:9:9)" },
      ),
    );

    expect(living(model)).toEqual(["s1 closing", "  t2 running", "  t9 running"]);
    expect(model.entries.get("s1")!.cancel).toEqual({ reason: "bye", source: "shutdown" });
    expect(model.entries.get("t2")).toMatchObject({
      waitsFor: [wait],
      site: "app.ts:1:1",
      cycle: 0,
      seenAt: 10,
    });
    expect(model).toMatchObject({ pid: 7, title: "app.ts", blocked: "spin (app.ts:9:9)" });
    model.reconcile(snapshotOf(11, [scopeNode("s1", { tasks: [taskNode("t2")] })]));
    expect(model.entries.get("t2")).toMatchObject({ waitsFor: [], site: undefined, cycle: -1 });
    expect(model.blocked).toBeUndefined();
  });

  it("does not come back with a snapshot that is older than its end", () => {
    const model = new Model();
    model.apply([opened(1, "s1"), spawned(2, "t1", "s1"), spawned(3, "t2", "s1")]);
    model.apply([done(20, "t1"), spawned(21, "t3", "s1"), asked(22, "t2")]);

    model.reconcile(snapshotOf(20, [scopeNode("s1", { tasks: [taskNode("t1"), taskNode("t2")] })]));

    expect(living(model)).toEqual(["s1 open", "  t2 cancelling", "  t3 running"]);
    expect(lanesOf(model)).toEqual(["scope: s1", "task: t1 t3", "task: t2"]);
  });

  it("has ended unseen, if a snapshot does not show it any more", () => {
    const model = new Model();
    model.apply([opened(1, "s1"), spawned(2, "t1", "s1")]);
    const t1 = model.entries.get("t1")!;

    model.reconcile(snapshotOf(10, [scopeNode("s1")]));

    expect(living(model)).toEqual(["s1 open"]);
    expect(t1).toMatchObject({ state: "lost", endedAt: 10 });
  });

  it("finds its place when its parent gets known", () => {
    const model = new Model();
    model.apply([spawned(5, "t1", "s1"), spawned(30, "t2", "s1")]);
    expect(living(model)).toEqual(["t1 running", "t2 running"]);

    model.reconcile(snapshotOf(20, [scopeNode("s1", { tasks: [taskNode("t1", { spawnedAt: 5 })] })]));

    expect(living(model)).toEqual(["s1 open", "  t1 running", "  t2 running"]);
    expect(lanesOf(model)).toEqual(["scope: s1", "task: t1", "task: t2"]);
  });

  it("stays as it is in a copy", () => {
    const model = new Model();
    model.apply([opened(1, "s1"), spawned(2, "t1", "s1")]);

    const frozen = model.freeze();
    model.apply([done(3, "t1"), spawned(4, "t2", "s1")]);

    expect(treeOf(flatten(frozen, new Set()))).toEqual(["s1 open", "  t1 running"]);
    expect(living(model)).toEqual(["s1 open", "  t2 running"]);
  });
});

describe("the lanes of the timeline", () => {
  it("are shared by tasks that follow each other, and by no others", () => {
    const model = new Model();

    model.apply([opened(0, "s1"), spawned(1, "t1", "s1"), spawned(2, "t2", "s1"), done(3, "t1")]);
    model.apply([spawned(3, "t3", "s1"), spawned(4, "t4", "s1")]);

    expect(lanesOf(model)).toEqual(["scope: s1", "task: t1 t3", "task: t2", "task: t4"]);
  });

  it("keep the place of a failed task for its successor", () => {
    const model = new Model();
    const failed = { status: "failed", error: "Error: no" } as const;

    model.apply([opened(0, "s1"), spawned(1, "t1", "s1", { name: "mailer" }), done(2, "t1", failed)]);
    model.apply([spawned(3, "t2", "s1", { name: "other" })]);
    model.apply([spawned(5_000, "t3", "s1", { name: "mailer", restarts: 1 })]);

    expect(lanesOf(model)).toEqual(["scope: s1", "task: t1 t3", "task: t2"]);
    expect(model.entries.get("t3")!.restarts).toBe(1);
  });

  it("do not wait for a successor for ever", () => {
    const model = new Model();

    model.apply([opened(0, "s1"), spawned(1, "t1", "s1"), done(2, "t1", { status: "failed" })]);
    model.apply([spawned(20_000, "t2", "s1")]);

    expect(lanesOf(model)).toEqual(["scope: s1", "task: t1 t2"]);
  });

  it("of scopes that follow each other in the same place are the same", () => {
    const model = new Model();
    model.apply([opened(0, "s1"), spawned(1, "t1", "s1")]);

    for (const [index, at] of [10, 20, 30].entries()) {
      const id = `s${index + 2}`;
      model.apply([
        opened(at, id, { parent: "t1", name: `request ${index}` }),
        spawned(at + 1, `t${index + 2}`, id),
        done(at + 2, `t${index + 2}`),
        closed(at + 3, id),
      ]);
    }

    expect(lanesOf(model)).toEqual(["scope: s1", "task: t1", "scope: s2 s3 s4", "task: t2 t3 t4"]);
  });

  it("of a window of time are those that have something to show there, and that is asked for", () => {
    const model = new Model();
    model.apply([
      opened(0, "s1"),
      spawned(10, "read a", "s1"),
      spawned(10, "write b", "s1"),
      done(20, "read a"),
    ]);
    const rows = (from: number, to: number, query = ""): string[] =>
      rowsOf(model.top, from, to, { query, tags: new Set() }).flatMap(({ entries }) =>
        entries.map(({ id }) => id),
      );

    expect(rows(0, 5)).toEqual(["s1"]);
    expect(rows(15, 16)).toEqual(["s1", "read a", "write b"]);
    expect(rows(21, 30)).toEqual(["s1", "write b"]);
    expect(rows(15, 16, "read")).toEqual(["s1", "read a"]);
    expect(rows(21, 30, "read")).toEqual([]);
  });
});

describe("failures", () => {
  it("are kept with what is known of them", () => {
    const model = new Model();
    model.apply([opened(1, "s1"), spawned(2, "t1", "s1", { name: "upload" })]);
    const t1 = model.entries.get("t1")!;

    model.apply([done(3, "t1", { status: "failed", error: "Error: no route", stack: "at send" })]);

    expect(model.failureOf(t1)).toEqual({ entry: t1, at: 3, error: "Error: no route", stack: "at send" });
    expect(t1).toMatchObject({ state: "failed", name: "upload", endedAt: 3 });
    expect(model.counts.failed).toBe(1);
  });

  it("are told even of tasks that nobody saw begin", () => {
    const model = new Model();

    model.apply([done(3, "t1", { status: "failed", error: "Error: no" })]);

    expect(model.failures).toMatchObject([{ error: "Error: no", entry: { id: "t1", state: "failed" } }]);
    expect(living(model)).toEqual([]);
  });
});

describe("events that are missing", () => {
  it("leave a gap that is shown", () => {
    const model = new Model();

    model.apply([opened(1, "s1")], 5);
    expect(model.gaps).toEqual([]);
    model.apply([opened(9, "s2")], 30);

    expect(model.gaps).toEqual([{ from: 1, to: 9, count: 30 }]);
  });
});

describe("a flood", () => {
  it("costs no more than the limits allow", () => {
    const limits = { ended: 100, failures: 10, gaps: 5 };
    const model = new Model(limits);
    model.apply([opened(0, "s0")]);

    for (let index = 1; index <= 5_000; index++) {
      const status = index % 3 === 0 ? ("failed" as const) : ("succeeded" as const);
      model.apply(
        [
          opened(index, `s${index}`, { parent: "s0", name: `s${index % 7}x${"y".repeat(index % 40)}` }),
          spawned(index, `t${index}`, `s${index}`),
          done(index, `t${index}`, { status }),
          closed(index, `s${index}`),
        ],
        index % 2,
      );
    }

    expect(model.kept).toBe(100);
    expect(model.failures).toHaveLength(10);
    expect(model.gaps).toHaveLength(5);
    expect(model.entries.size).toBe(1);
    const rows = rowsOf(model.top, -Infinity, Infinity, { query: "", tags: new Set() });
    expect(rows.flatMap(({ entries }) => entries)).toHaveLength(101);
    expect(rows.every(({ entries }) => entries.length > 0)).toBe(true);
  });

  it("is forgotten for another program", () => {
    const model = new Model();
    model.apply([opened(0, "s1"), spawned(1, "t1", "s1"), done(2, "t1", { status: "failed" })]);

    model.clear();

    expect(living(model)).toEqual([]);
    expect(lanesOf(model)).toEqual([]);
    expect(model).toMatchObject({
      failures: [],
      gaps: [],
      kept: 0,
      counts: { scopes: 0, failed: 0, events: 0 },
    });
  });
});

describe("whatever happens in whatever order", () => {
  const step = fc.record({
    type: fc.constantFrom("open", "spawn", "start", "ask", "done", "close", "snapshot"),
    id: fc.nat(12),
    parent: fc.nat(12),
    status: fc.constantFrom("succeeded" as const, "failed" as const, "cancelled" as const),
    time: fc.nat(3),
  });

  it("lanes do not overlap, nothing dead lives, and the figures are right", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const model = new Model({ ended: 10 });
        let at = 0;
        for (const { type, id, parent, status, time } of steps) {
          at += time;
          const owner = parent % 2 === 0 ? `s${parent}` : `t${parent}`;
          switch (type) {
            case "open":
              model.apply([opened(at, `s${id}`, parent === 0 || parent === id ? {} : { parent: owner })]);
              break;
            case "spawn":
              model.apply([
                spawned(at, `t${id}`, `s${parent}`, { status: id % 2 === 0 ? "running" : "pending" }),
              ]);
              break;
            case "start":
              model.apply([started(at, `t${id}`)]);
              break;
            case "ask":
              model.apply([asked(at, owner)]);
              break;
            case "done":
              model.apply([done(at, `t${id}`, { status })]);
              break;
            case "close":
              model.apply([closed(at, `s${id}`)]);
              break;
            case "snapshot": {
              const tasks = [taskNode(`t${parent}`, { spawnedAt: at - time })];
              model.reconcile(snapshotOf(at - time, [scopeNode(`s${id}`, { openedAt: at - time, tasks })]));
            }
          }
          check(model);
        }
      }),
      { numRuns: 300 },
    );
  });

  function check(model: Model): void {
    const rows = flatten(model.roots, new Set());
    expect(rows.map(({ entry }) => entry.id).sort()).toEqual([...model.entries.keys()].sort());
    const count = (fits: (entry: Entry) => boolean): number => rows.filter(({ entry }) => fits(entry)).length;
    expect(model.counts).toMatchObject({
      scopes: count(({ type }) => type === "scope"),
      tasks: count(({ type }) => type === "task"),
      pending: count(({ state }) => state === "pending"),
      running: count(({ state }) => state === "running"),
      cancelling: count(({ state }) => state === "cancelling"),
    });
    for (const { entry } of rows) expect(entry.endedAt).toBeUndefined();
    expect(model.kept).toBeLessThanOrEqual(model.limits.ended);
    checkGroup(model.top);
  }

  function checkGroup(group: Group): void {
    const lists: (readonly Entry[])[] = [
      ...Array.from(group.lanes, (lane: Lane) => lane.entries),
      group.scopes,
    ];
    for (const entries of lists) {
      for (const [index, entry] of entries.entries()) {
        const next = entries[index + 1];
        if (next !== undefined) expect(entry.endedAt).toBeLessThanOrEqual(next.since);
      }
    }
    for (const lane of group.lanes) {
      expect(lane.entries.length).toBeGreaterThan(0);
      expect(group.free.has(lane)).toBe(lane.entries.at(-1)!.endedAt !== undefined);
    }
    for (const child of group.groups) {
      expect(child.scopes.length + child.lanes.size + child.groups.size).toBeGreaterThan(0);
      checkGroup(child);
    }
  }
});

describe("the rows of the tree", () => {
  const model = new Model();
  model.apply([
    opened(0, "s1", { name: "App" }),
    spawned(1, "t1", "s1", { name: "server" }),
    opened(1, "s2", { name: "http", parent: "t1" }),
    spawned(2, "t2", "s2", { name: "GET /Orders", status: "pending" }),
    spawned(2, "t3", "s2", { name: "GET /users", restarts: 2 }),
    spawned(2, "t4", "s1", { name: "cron" }),
  ]);
  const names = (
    collapsed: string[],
    query = "",
    tags: ("pending" | "running" | "restarted")[] = [],
  ): string[] =>
    flatten(model.roots, new Set(collapsed), { query, tags: new Set(tags) }).map(
      ({ entry, matches }) => `${entry.name}${matches ? "" : " (leads there)"}`,
    );

  it("know their level and their place among their siblings", () => {
    expect(flatten(model.roots, new Set(["s2"]))).toMatchObject([
      { entry: { id: "s1" }, level: 1, position: 1, siblings: 1, expanded: true },
      { entry: { id: "t1" }, level: 2, position: 1, siblings: 2, expanded: true },
      { entry: { id: "s2" }, level: 3, position: 1, siblings: 1, expanded: false },
      { entry: { id: "t4" }, level: 2, position: 2, siblings: 2, expanded: undefined },
    ]);
  });

  it("are those that are asked for, by name and state, and what leads there, whatever is folded", () => {
    expect(names(["s1"])).toEqual(["App"]);
    expect(names(["s1"], "orders")).toEqual([
      "App (leads there)",
      "server (leads there)",
      "http (leads there)",
      "GET /Orders",
    ]);
    expect(names([], "get", ["restarted"])).toContain("GET /users");
    expect(names([], "get", ["restarted"])).not.toContain("GET /Orders");
    expect(names([], "", ["pending", "restarted"]).slice(-2)).toEqual(["GET /Orders", "GET /users"]);
    expect(names([], "t4")).toEqual(["App (leads there)", "cron"]);
    expect(names([], "nothing like it")).toEqual([]);
  });
});

describe("the words", () => {
  it.each([
    [0, "0 ms"],
    [-5, "0 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [9_949, "9.9 s"],
    [9_951, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 m"],
    [200_000, "3 m 20 s"],
    [3_600_000, "1 h"],
    [18_720_000, "5 h 12 m"],
    [183_600_000, "2 d 3 h"],
  ])("for %d ms are %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("tell what is waited for", () => {
    expect(waitText({ for: "sleep", remaining: 1_500 }, 500)).toBe("sleeps, 1.0 s left");
    expect(waitText({ for: "sleep", remaining: 500 }, 500)).toBe("sleeps");
    expect(waitText({ for: "cancellation" }, 0)).toBe("waits to be cancelled");
    expect(waitText({ for: "slot", ahead: 0 }, 0)).toBe("next for a slot");
    expect(waitText({ for: "slot", ahead: 1_200 }, 0)).toBe("for a slot, 1,200 ahead");
    expect(waitText({ for: "task", id: "t1", name: "upload" }, 0)).toBe("waits for upload");
  });

  it("tell times and figures", () => {
    const noon = new Date(2026, 0, 1, 12, 3, 4, 56).getTime();
    expect(clock(noon)).toBe("12:03:04");
    expect(clock(noon, 1)).toBe("12:03:04.056");
    expect([plural(1, "task"), plural(1_234, "task")]).toEqual(["1 task", "1,234 tasks"]);
    expect(age({ since: 5, endedAt: 8 } as Entry, 100)).toBe(3);
    expect(age({ since: 5, endedAt: undefined } as Entry, 100)).toBe(95);
  });

  it("find the first that has not ended", () => {
    const entries = [1, 3, 5, undefined].map((endedAt) => ({ endedAt }) as Entry);
    expect([0, 1, 2, 5, 6].map((at) => firstAfter(entries, at))).toEqual([0, 0, 1, 2, 3]);
  });
});
