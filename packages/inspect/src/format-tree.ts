import type { CancelNode, ScopeNode, Snapshot, TaskNode, WaitNode } from "./types.ts";

export interface FormatOptions {
  /** Whether to show the ids of scopes and tasks. @default false */
  ids?: boolean | undefined;
  /** Whether to show where each was opened or spawned, as far as that is known. @default true */
  sites?: boolean | undefined;
  /** Branches of plain ASCII. @default false */
  ascii?: boolean | undefined;
}

interface Branches {
  readonly between: string;
  readonly last: string;
  readonly past: string;
}

const LINES: Branches = { between: "├─ ", last: "└─ ", past: "│  " };
const ASCII: Branches = { between: "|- ", last: "`- ", past: "|  " };

/**
 * A snapshot as text, like `pstree`: a line for every scope and task, and deadlocks named first. Control characters in names
 * and reasons are shown as escapes.
 *
 * @example
 * ```ts
 * console.error(formatTree(snapshot()));
 * ```
 */
export function formatTree(snapshot: Snapshot, options: FormatOptions = {}): string {
  const { ids = false, sites = true, ascii = false } = options;
  const { takenAt } = snapshot;
  const branches = ascii ? ASCII : LINES;
  const names = namesIn(snapshot);
  const stuck = new Map<string, number>();
  snapshot.cycles.forEach((cycle, index) => {
    for (const id of cycle) if (!stuck.has(id)) stuck.set(id, index + 1);
  });
  const several = snapshot.cycles.length > 1;

  const lines = [
    [printable(snapshot.title) || "(no title)", snapshot.pid > 0 ? ` (pid ${snapshot.pid})` : ""].join("") +
      `, ${new Date(takenAt).toISOString()}`,
  ];
  snapshot.cycles.forEach((cycle, index) => {
    lines.push(`deadlock${several ? ` ${index + 1}` : ""}: ${describeCycle(cycle, names)}`);
  });
  if (snapshot.scopes.length === 0) lines.push("no scope is open");

  const describe = (node: ScopeNode | TaskNode): string => {
    const parts = [isScope(node) ? scopeState(node, takenAt) : taskState(node, takenAt)];
    if (node.cancel !== undefined) parts.push(describeCancel(node.cancel, takenAt));
    for (const wait of node.waitsFor) parts.push(describeWait(wait, names));
    const cycle = stuck.get(node.id);
    if (cycle !== undefined) parts.push(`DEADLOCK${several ? ` ${cycle}` : ""}`);
    const title = isScope(node) ? `${printable(node.kind)} ${quoted(node.name)}` : quoted(node.name);
    return `${title}${ids ? ` ${node.id}` : ""} ${parts.join("; ")}`;
  };

  // A list in place of recursion: depth is no limit.
  const left: { node: ScopeNode | TaskNode; indent: string; last: boolean; root: boolean }[] = [];
  const push = (nodes: readonly (ScopeNode | TaskNode)[], indent: string, root: boolean): void => {
    for (const node of [...nodes].reverse()) left.push({ node, indent, last: node === nodes.at(-1), root });
  };
  push(snapshot.scopes, "", true);
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, indent, last, root } = next;
    lines.push(indent + (root ? "" : last ? branches.last : branches.between) + describe(node));
    const below = root ? indent : indent + (last ? "   " : branches.past);
    const children = isScope(node) ? [...node.tasks, ...node.scopes] : node.scopes;
    if (sites && node.site !== undefined) {
      const [site = ""] = node.site.split("\n");
      lines.push(`${below}${children.length > 0 ? branches.past : "   "}at ${printable(site)}`);
    }
    push(children, below, false);
  }
  return lines.join("\n");
}

function isScope(node: ScopeNode | TaskNode): node is ScopeNode {
  return "kind" in node;
}

function scopeState({ state, openedAt, tasks }: ScopeNode, now: number): string {
  const count = tasks.length === 1 ? "1 task" : `${tasks.length} tasks`;
  return `${state} ${age(now - openedAt)}, ${count}`;
}

function taskState(
  { status, spawnedAt, startedAt = spawnedAt, restarts = 0 }: TaskNode,
  now: number,
): string {
  const state = `${status} ${age(now - startedAt)}`;
  return restarts === 0 ? state : `${state}, restarted ${restarts === 1 ? "once" : `${restarts} times`}`;
}

function describeCancel({ reason, source, at }: CancelNode, now: number): string {
  const when = at === undefined ? "" : ` ${age(now - at)} ago`;
  return `cancel requested${when} (${source}): ${printable(reason)}`;
}

function describeWait(wait: WaitNode, names: ReadonlyMap<string, string>): string {
  switch (wait.for) {
    case "sleep":
      return `sleeps ${age(wait.remaining)} more`;
    case "cancellation":
      return "waits to be cancelled";
    case "slot":
      return wait.ahead === 0
        ? "waits for a slot, next in line"
        : `waits for a slot, ${wait.ahead} before it`;
    case "task":
    case "scope":
      return `waits for ${names.get(wait.id) ?? `${wait.for} ${quoted(wait.name)}`}`;
  }
}

/** 'task "a" waits for task "b", which waits for task "a"' */
function describeCycle(cycle: readonly string[], names: ReadonlyMap<string, string>): string {
  const [first = "", ...others] = cycle.map((id) => names.get(id) ?? id);
  if (others.length === 0) return `${first} waits for itself`;
  return [`${first} waits for ${[...others, first].join(", which waits for ")}`].join("");
}

function namesIn(snapshot: Snapshot): Map<string, string> {
  const names = new Map<string, string>();
  const scopes = [...snapshot.scopes];
  for (const scope of scopes) {
    names.set(scope.id, `${printable(scope.kind)} ${quoted(scope.name)}`);
    for (const inner of scope.scopes) scopes.push(inner);
    for (const task of scope.tasks) {
      names.set(task.id, `${task.status === "pending" ? "pending task" : "task"} ${quoted(task.name)}`);
      for (const inner of task.scopes) scopes.push(inner);
    }
  }
  return names;
}

/** The biggest unit that fits, how many of the next smaller one it has, and what these are called. */
const UNITS = [
  [86_400_000, "d", 3_600_000, "h"],
  [3_600_000, "h", 60_000, "min"],
  [60_000, "min", 1000, "s"],
] as const;

/** 340 ms, 12.5 s, 3 min 20 s, 5 h 3 min, 2 d 4 h */
export function age(ms: number): string {
  const span = Math.max(0, ms);
  for (const [big, name, small, rest] of UNITS) {
    if (span >= big) return `${Math.floor(span / big)} ${name} ${Math.floor((span % big) / small)} ${rest}`;
  }
  return span < 1000 ? `${Math.floor(span)} ms` : `${(Math.floor(span / 100) / 10).toFixed(1)} s`;
}

function quoted(text: string): string {
  return `"${printable(text)}"`;
}

/** Nothing that a terminal would obey, or that would hide or reorder what follows. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
