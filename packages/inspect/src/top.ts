/** What `scope-inspect top` shows: of snapshots and events, lines of text that fit a terminal. */
import stringWidth from "string-width";

import { age, printable } from "./format-tree.ts";
import type { EventBatch, ScopeNode, Snapshot, TaskNode, WaitNode } from "./types.ts";

export const sortings = ["age", "state", "name"] as const;

export type Sorting = (typeof sortings)[number];

/** How often something happened since the last look, per second. */
interface Rates {
  started: number;
  failed: number;
}

interface TaskRow {
  readonly task: TaskNode;
  readonly scope: ScopeNode;
}

/** Counts what happens between one look and the next. */
export class Top {
  #snapshot: Snapshot | undefined;
  #rates = new Map<string, Rates>();
  #total: Rates = { started: 0, failed: 0 };
  /** Some of the events that are counted were dropped before they were seen. */
  #missed = false;
  /** The scope of each task that may still start or fail. */
  #scopeOf = new Map<string, string>();

  /** `batches`: all events since the last look; before the first one they are not counted. */
  look(snapshot: Snapshot, batches: readonly EventBatch[]): void {
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    this.#rates = new Map();
    this.#total = { started: 0, failed: 0 };
    this.#missed = false;
    if (before !== undefined) {
      const seconds = Math.max(1, snapshot.takenAt - before.takenAt) / 1000;
      for (const batch of batches) this.#count(batch, seconds);
    }
    this.#scopeOf = new Map(rowsOf(snapshot).map(({ task, scope }) => [task.id, scope.id]));
  }

  #count({ events, dropped }: EventBatch, seconds: number): void {
    if (dropped > 0) this.#missed = true;
    for (const { type, id, parent, status } of events) {
      if (type === "task-spawned" && parent !== undefined) this.#scopeOf.set(id, parent);
      const starts = type === "task-started" || (type === "task-spawned" && status !== "pending");
      const fails = type === "task-done" && status === "failed";
      if (!starts && !fails) continue;
      const what = starts ? "started" : "failed";
      const rates = this.#ratesOf(this.#scopeOf.get(id) ?? "");
      rates[what] += 1 / seconds;
      this.#total[what] += 1 / seconds;
    }
  }

  #ratesOf(scope: string): Rates {
    const rates = this.#rates.get(scope) ?? { started: 0, failed: 0 };
    this.#rates.set(scope, rates);
    return rates;
  }

  /** No line is wider than `columns`, and there are at most `rows`: what does not fit is counted in the last one. */
  render(sorting: Sorting, columns: number, rows: number): string[] {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return [];
    const tasks = rowsOf(snapshot);
    const lines = [...this.#heading(snapshot, tasks), ""];
    const scopes = scopesOf(snapshot);
    // The tasks get what is left, and at least half.
    const room = Math.max(2, Math.floor((rows - lines.length) / 2) - 2);
    lines.push(...this.#scopeTable(scopes, snapshot.takenAt, room), "");
    lines.push(...taskTable(tasks, sorting, snapshot.takenAt, Math.max(1, rows - lines.length - 1)));
    return lines.slice(0, rows).map((line) => clip(line, columns));
  }

  #heading(snapshot: Snapshot, tasks: readonly TaskRow[]): string[] {
    const { title, pid, takenAt, blocked, cycles } = snapshot;
    const counts = ["running", "pending", "cancelling"].flatMap((state) => {
      const count = tasks.filter(({ task }) => stateOf(task) === state).length;
      return count === 0 ? [] : `${count} ${state}`;
    });
    const { started, failed } = this.#total;
    const least = this.#missed ? "at least " : "";
    const lines = [
      `${printable(title)} (pid ${pid})  ${new Date(takenAt).toISOString()}`,
      `tasks: ${tasks.length === 0 ? "none" : counts.join(", ")}  started: ${least}${rate(started)}/s  failed: ${least}${rate(failed)}/s`,
    ];
    if (blocked !== undefined)
      lines.push(`the event loop is blocked ${printable(blocked.split("\n")[0] ?? "")}`);
    if (cycles.length > 0) {
      const names = new Map<string, string>(tasks.map(({ task }) => [task.id, task.name]));
      for (const scope of scopesOf(snapshot)) names.set(scope.id, scope.name);
      for (const cycle of cycles) {
        lines.push(`deadlock: ${cycle.map((id) => printable(names.get(id) ?? id)).join(" -> ")}`);
      }
    }
    return lines;
  }

  #scopeTable(scopes: readonly ScopeNode[], takenAt: number, room: number): string[] {
    const sorted = [...scopes].sort((one, other) => other.tasks.length - one.tasks.length);
    const rows = sorted.slice(0, room).map((scope) => {
      const { started, failed } = this.#rates.get(scope.id) ?? { started: 0, failed: 0 };
      const count = (state: string): string =>
        String(scope.tasks.filter((task) => stateOf(task) === state).length);
      const oldest = scope.tasks.reduce((at, task) => Math.min(at, task.spawnedAt), Infinity);
      return [
        `${printable(scope.kind)} "${printable(scope.name)}"`,
        String(scope.tasks.length),
        count("running"),
        count("pending"),
        count("cancelling"),
        oldest === Infinity ? "" : age(takenAt - oldest),
        rate(started),
        rate(failed),
      ];
    });
    const header = ["SCOPE", "TASKS", "RUNNING", "PENDING", "CANCELLING", "OLDEST", "STARTED/S", "FAILED/S"];
    return [...table(header, rows, [1, 2, 3, 4, 5, 6, 7]), ...more(scopes.length - rows.length, "scope")];
  }
}

function taskTable(tasks: readonly TaskRow[], sorting: Sorting, now: number, room: number): string[] {
  const sorted = [...tasks].sort((one, other) => compare(one.task, other.task, sorting));
  const shown = sorted.length > room - 1 ? sorted.slice(0, Math.max(0, room - 2)) : sorted;
  const rows = shown.map(({ task, scope }) => [
    printable(task.name),
    printable(scope.name),
    stateOf(task),
    age(now - (task.startedAt ?? task.spawnedAt)),
    String(task.restarts ?? ""),
    task.waitsFor.map(waitOf).join(", "),
  ]);
  const header = ["TASK", "SCOPE", "STATE", "AGE", "RESTARTS", "WAITS FOR"];
  return [...table(header, rows, [3, 4]), ...more(sorted.length - shown.length, "task")];
}

function more(count: number, what: string): string[] {
  return count <= 0 ? [] : [`... and ${count} more ${what}${count === 1 ? "" : "s"}`];
}

function compare(one: TaskNode, other: TaskNode, sorting: Sorting): number {
  const byAge = one.spawnedAt - other.spawnedAt;
  switch (sorting) {
    case "age":
      return byAge;
    case "state":
      return stateOf(one).localeCompare(stateOf(other)) || byAge;
    case "name":
      return one.name.localeCompare(other.name, undefined, { numeric: true }) || byAge;
  }
}

function stateOf(task: TaskNode): string {
  return task.cancel === undefined || task.status === "pending" ? task.status : "cancelling";
}

function waitOf(wait: WaitNode): string {
  switch (wait.for) {
    case "task":
    case "scope":
      return printable(wait.name);
    case "sleep":
      return `sleep, ${age(wait.remaining)}`;
    case "cancellation":
      return "cancellation";
    case "slot":
      return "slot";
  }
}

function scopesOf(snapshot: Snapshot): ScopeNode[] {
  const scopes = [...snapshot.scopes];
  // Grows while it is gone through: depth is no limit.
  for (const scope of scopes) {
    for (const inner of scope.scopes) scopes.push(inner);
    for (const task of scope.tasks) for (const inner of task.scopes) scopes.push(inner);
  }
  return scopes;
}

export function rowsOf(snapshot: Snapshot): TaskRow[] {
  return scopesOf(snapshot).flatMap((scope) => scope.tasks.map((task) => ({ task, scope })));
}

function rate(perSecond: number): string {
  return perSecond === 0 || perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

const MAX_CELL = 40;

/** Columns as wide as they have to be; those of `right` are aligned there. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string[] {
  const lines = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.min(
      MAX_CELL,
      lines.reduce((width, line) => Math.max(width, stringWidth(line[column] ?? "")), 0),
    ),
  );
  return lines.map((line) =>
    line
      .map((cell, column) => {
        // What comes last has all the room that is left.
        if (column === line.length - 1 && !right.includes(column)) return cell;
        const width = widths[column] ?? 0;
        const text = clip(cell, width);
        const space = " ".repeat(width - stringWidth(text));
        return right.includes(column) ? space + text : text + space;
      })
      .join("  ")
      .trimEnd(),
  );
}

const characters = new Intl.Segmenter();

/** As much of a text as so many columns of a terminal hold. */
export function clip(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let clipped = "";
  let width = 0;
  for (const { segment } of characters.segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    clipped += segment;
  }
  return columns < 1 ? "" : `${clipped}…`;
}
