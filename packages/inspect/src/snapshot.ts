/** The tree as it is now, of what a recorder knows and of what the scopes themselves tell. */
import type { CancellationToken, Task, TaskScope } from "@scope/core";
import { type Waiter, findCycles } from "./cycles.ts";
import { host } from "./host.ts";
import { numberOf, scopeId, taskId } from "./ids.ts";
import { type Recorder, type ScopeRecord, describeReason } from "./recorder.ts";
import { idOf, ofScope, ofTask } from "./timeline.ts";
import type { CancelNode, ScopeNode, Snapshot, TaskNode, WaitNode } from "./types.ts";

type Open<Node extends ScopeNode | TaskNode> = {
  -readonly [Key in keyof Node]: Node[Key] extends readonly (infer Item)[] ? Item[] : Node[Key];
};

/** A scope in the making. */
interface Place {
  readonly record: ScopeRecord;
  readonly node: Open<ScopeNode>;
  readonly tasks: { readonly number: number; readonly node: Open<TaskNode> }[];
}

export function takeSnapshot(recorder: Recorder): Snapshot {
  const takenAt = Date.now();
  const places = new Map<number, Place>();
  /** By the numbers that the timeline has. */
  const nodes = new Map<number, Open<ScopeNode> | Open<TaskNode>>();

  for (const [scope, record] of recorder.scopes()) {
    const key = ofScope(record.number);
    let place = places.get(key);
    if (place === undefined) {
      place = { record, node: scopeNode(scope, record, recorder, takenAt), tasks: [] };
      places.set(key, place);
      nodes.set(key, place.node);
    }
    let ahead = 0;
    for (const task of scope.tasks) {
      const number = numberOf(task);
      if (recorder.isHidden(number)) continue;
      const node = taskNode(task, number, recorder, takenAt);
      if (node.status === "pending") node.waitsFor.push({ for: "slot", ahead: ahead++ });
      place.tasks.push({ number, node });
      nodes.set(ofTask(number), node);
    }
  }

  const roots: ScopeNode[] = [];
  const waiters: Waiter[] = [];
  for (const { node, record, tasks } of places.values()) {
    (nodes.get(record.parent)?.scopes ?? roots).push(node);
    // A supervisor's come from two scopes.
    tasks.sort((one, other) => one.number - other.number);
    node.tasks = tasks.map((task) => task.node);
    addWaits(node, tasks, recorder, nodes, waiters);
  }
  const ids = new Set(Array.from(nodes.values(), ({ id }) => id));
  return {
    version: 1,
    pid: host.process?.pid ?? 0,
    title: host.process?.argv?.[1] ?? host.location?.href ?? "",
    takenAt,
    scopes: roots,
    cycles: findCycles(waiters).map((cycle) => cycle.filter((id) => ids.has(id))),
  };
}

function scopeNode(
  scope: TaskScope,
  record: ScopeRecord,
  recorder: Recorder,
  takenAt: number,
): Open<ScopeNode> {
  const { number, kind, name, openedAt, site, sleepsUntil = 0 } = record;
  const waitsFor: WaitNode[] = [];
  // Without an end: its body only keeps it open.
  if (sleepsUntil > takenAt && sleepsUntil !== Infinity && !scope.cancelRequested) {
    waitsFor.push({ for: "sleep", remaining: sleepsUntil - takenAt });
  }
  return {
    id: scopeId(number),
    kind,
    name,
    state: scope.state === "open" ? "open" : "closing",
    openedAt,
    ...cancelOf(scope.token, recorder),
    ...(site !== undefined && { site }),
    waitsFor,
    tasks: [],
    scopes: [],
  };
}

function taskNode(task: Task<unknown>, number: number, recorder: Recorder, takenAt: number): Open<TaskNode> {
  const { name, status } = task;
  const spawnedAt = recorder.spawnedAt(number);
  const restarts = recorder.restarts.get(task);
  const site = recorder.sites.get(task);
  const { sleepsUntil = 0 } = recorder.waits.get(number) ?? {};
  const waitsFor: WaitNode[] = [];
  // A cancellation wakes whoever sleeps.
  if (sleepsUntil > takenAt && !task.cancelRequested) {
    const remaining = sleepsUntil - takenAt;
    waitsFor.push(remaining === Infinity ? { for: "cancellation" } : { for: "sleep", remaining });
  }
  return {
    id: taskId(number),
    name,
    status,
    spawnedAt,
    ...(status !== "pending" && { startedAt: recorder.startedAt(number) ?? spawnedAt }),
    ...cancelOf(task.token, recorder),
    ...(restarts !== undefined && { restarts }),
    ...(site !== undefined && { site }),
    waitsFor,
    scopes: [],
  };
}

/** What the tasks of a scope wait for that is still there, and what all that means for whoever waits for them. */
function addWaits(
  scope: ScopeNode,
  tasks: Place["tasks"],
  recorder: Recorder,
  nodes: ReadonlyMap<number, ScopeNode | TaskNode>,
  waiters: Waiter[],
): void {
  const slots = `slots of ${scope.id}`;
  const running: string[] = [];
  for (const { number, node } of tasks) {
    const { id, status, waitsFor } = node;
    if (status === "pending") {
      waiters.push({ id, on: [slots], needs: "all" });
      continue;
    }
    running.push(id);
    // Who sleeps as well wakes by itself.
    const wakes = waitsFor.length > 0;
    const on: string[] = [];
    for (const owner of recorder.waits.get(number)?.owners ?? []) {
      const other = nodes.get(owner);
      if (other === undefined) continue;
      on.push(other.id);
      waitsFor.push({ for: idOf(owner).startsWith("s") ? "scope" : "task", id: other.id, name: other.name });
    }
    if (!wakes) waiters.push({ id, on, needs: "any" });
  }
  waiters.push(
    { id: slots, on: running, needs: "any" },
    { id: scope.id, on: tasks.map(({ node }) => node.id), needs: "all" },
  );
}

function cancelOf(token: CancellationToken, recorder: Recorder): { cancel: CancelNode } | undefined {
  const { error } = token;
  if (error === undefined) return undefined;
  const at = recorder.asked.get(error);
  return { cancel: { reason: describeReason(error), source: error.source, ...(at !== undefined && { at }) } };
}
