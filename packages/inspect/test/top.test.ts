import { describe, expect, it } from "vitest";

import { Top, clip, table } from "../src/top.ts";
import type { EventBatch, ScopeNode, Snapshot, TaskNode, TimelineEvent } from "../src/types.ts";

const NOW = 1_000_000;

function task(id: string, more: Partial<TaskNode> = {}): TaskNode {
  return { id, name: id, status: "running", spawnedAt: NOW - 1000, waitsFor: [], scopes: [], ...more };
}

function scope(name: string, tasks: readonly TaskNode[]): ScopeNode {
  return { id: name, kind: "TaskScope", name, state: "open", openedAt: NOW, waitsFor: [], tasks, scopes: [] };
}

function snapshot(scopes: readonly ScopeNode[], more: Partial<Snapshot> = {}): Snapshot {
  return { version: 1, pid: 7, title: "app", takenAt: NOW, scopes, cycles: [], ...more };
}

function batch(events: readonly Omit<TimelineEvent, "seq" | "at">[], dropped = 0): EventBatch {
  return { events: events.map((event, index) => ({ seq: index + 1, at: NOW, ...event })), dropped, next: 99 };
}

describe(Top, () => {
  it("counts the tasks of each scope by state, and shows what each waits for", () => {
    const top = new Top();
    const inner = scope("inner", [
      task("deep", {
        waitsFor: [
          { for: "task", id: "t2", name: "other" },
          { for: "scope", id: "s9", name: "group" },
          { for: "cancellation" },
        ],
      }),
    ]);
    const cancel = { reason: "enough", source: "explicit" } as const;
    top.look(
      snapshot([
        scope("main", [
          task("a", { scopes: [inner], restarts: 3, spawnedAt: NOW - 90_000 }),
          task("b", { status: "pending", waitsFor: [{ for: "slot", ahead: 2 }] }),
          task("c", { cancel, waitsFor: [{ for: "sleep", remaining: 1500 }] }),
        ]),
      ]),
      [],
    );

    expect(top.render("age", 120, 40)).toEqual([
      "app (pid 7)  1970-01-01T00:16:40.000Z",
      "tasks: 2 running, 1 pending, 1 cancelling  started: 0/s  failed: 0/s",
      "",
      "SCOPE              TASKS  RUNNING  PENDING  CANCELLING      OLDEST  STARTED/S  FAILED/S",

      'TaskScope "main"       3        1        1           1  1 min 30 s          0         0',
      'TaskScope "inner"      1        1        0           0       1.0 s          0         0',
      "",
      "TASK  SCOPE  STATE              AGE  RESTARTS  WAITS FOR",
      "a     main   running     1 min 30 s         3",
      "b     main   pending          1.0 s            slot",
      "c     main   cancelling       1.0 s            sleep, 1.5 s",
      "deep  inner  running          1.0 s            other, group, cancellation",
    ]);
  });

  it("tells how often tasks have started and failed since the last look, per second", () => {
    const top = new Top();
    const before = snapshot([scope("main", [task("old"), task("queued", { status: "pending" })])]);
    const events = batch([
      { type: "task-spawned", id: "t1", parent: "main", status: "running" },
      { type: "task-done", id: "t1", status: "failed" },
      { type: "task-spawned", id: "t2", parent: "main", status: "pending" },
      { type: "task-started", id: "queued" },
      { type: "task-done", id: "old", status: "failed" },
      { type: "task-done", id: "queued", status: "succeeded" },
    ]);
    top.look(before, [events]);
    expect(top.render("age", 120, 40)[1]).toContain("started: 0/s  failed: 0/s");

    top.look({ ...before, takenAt: NOW + 500 }, [events]);
    expect(top.render("age", 120, 40)[1]).toContain("started: 4.0/s  failed: 4.0/s");
    expect(top.render("age", 120, 40)[4]).toMatch(/^TaskScope "main" .* 4\.0 +4\.0$/);

    top.look({ ...before, takenAt: NOW + 1500 }, [{ ...events, dropped: 5 }]);
    expect(top.render("age", 120, 40)[1]).toContain("started: at least 2.0/s  failed: at least 2.0/s");
  });

  it.each([
    ["age", ["b10", "b9", "a"]],
    ["state", ["a", "b10", "b9"]],
    ["name", ["a", "b9", "b10"]],
  ] as const)("sorts by %s", (sorting, names) => {
    const top = new Top();
    const tasks = [
      task("a", { spawnedAt: NOW - 1, status: "pending" }),
      task("b10", { spawnedAt: NOW - 3 }),
      task("b9", { spawnedAt: NOW - 2 }),
    ];
    top.look(snapshot([scope("main", tasks)]), []);

    const shown = top.render(sorting, 120, 40).slice(-3);

    expect(shown.map((line) => line.split(" ")[0])).toEqual(names);
  });

  it("fits the terminal, and says how much does not", () => {
    const top = new Top();
    const scopes = Array.from({ length: 50 }, (_, index) =>
      scope(
        `scope-${index}`,
        Array.from({ length: 50 }, (_, each) => task(`t-${index}-${each}`)),
      ),
    );
    top.look(snapshot(scopes), []);
    for (const [columns, rows] of [
      [80, 24],
      [20, 10],
      [200, 60],
    ] as const) {
      const lines = top.render("age", columns, rows);
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    }
    const lines = top.render("age", 80, 24);
    expect(lines).toContain("... and 42 more scopes");
    expect(lines.at(-1)).toMatch(/^\.\.\. and 249\d more tasks$/);
  });

  it("names deadlocks and where the event loop is blocked, and shows nothing that a terminal would obey", () => {
    const top = new Top();
    const tasks = [task("t1", { name: "red\u001B[31m" }), task("t2", { name: "two" })];
    const blocked = "at spin (file:///app.js:1:2)\nat run";
    top.look(snapshot([scope("main", tasks)], { cycles: [["t1", "t2"]], blocked }), []);

    const text = top.render("age", 120, 40).join("\n");

    expect(text).toContain("\nthe event loop is blocked at spin (file:///app.js:1:2)\n");
    expect(text).toContain("\ndeadlock: red\\u{1b}[31m -> two -> red\\u{1b}[31m\n");
    expect(text).not.toContain("\u001B");
  });
});

describe("without a look", () => {
  it("shows nothing", () => {
    expect(new Top().render("age", 80, 24)).toEqual([]);
  });
});

describe(clip, () => {
  it("counts columns, not characters", () => {
    expect(clip("漢字かな", 8)).toBe("漢字かな");
    expect(clip("漢字かな", 6)).toBe("漢字…");
    expect(clip("👩‍👩‍👧 family", 4)).toBe("👩‍👩‍👧 …");
    expect(clip("abc", 0)).toBe("");
  });
});

describe(table, () => {
  it("aligns columns of any script", () => {
    expect(
      table(
        ["A", "N"],
        [
          ["漢", "1"],
          ["bcd", "10"],
        ],
        [1],
      ),
    ).toEqual(["A     N", "漢    1", "bcd  10"]);
  });
});
