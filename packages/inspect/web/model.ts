/**
 * What the view knows of a program: the forest that lives, the lanes of the timeline and the last failures. Plain data, no
 * DOM; it is fed with snapshots and events, and bounded whatever comes.
 *
 *   event ──► apply ──► entry lives ──► entry has ended ──► kept in its lane ──► evicted, oldest first
 *   snapshot ──► reconcile: what lives and was not known is added, what was known and lives no more is `lost`
 *
 * Invariants
 *  1. `entries` holds what lives, and nothing else.
 *  2. The entries of a lane do not overlap, and stand in the order of time: only the last one can live.
 *  3. At most `limits.ended` entries that have ended are kept, at most `limits.failures` failures.
 *  4. A lane without entries is gone, and so is a group without lanes, groups and living scopes.
 */
import type { CancelNode, ScopeNode, Snapshot, TaskNode, TimelineEvent, WaitNode } from "../src/types.ts";

export type EntryState =
  | "open"
  | "closing"
  | "closed"
  | "pending"
  | "running"
  | "cancelling"
  | "succeeded"
  | "failed"
  | "cancelled"
  /** It has ended, and nobody saw how. */
  | "lost";

/** A scope or a task, living or ended. */
export interface Entry {
  readonly id: string;
  readonly type: "scope" | "task";
  readonly kind: string;
  name: string;
  /** The name in lower case: what a search looks at. */
  key: string;
  state: EntryState;
  /** When it was opened or spawned. */
  since: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
  cancel: CancelNode | undefined;
  restarts: number;
  site: string | undefined;
  waitsFor: readonly WaitNode[];
  /** When `waitsFor` was seen. */
  seenAt: number;
  /** Which of the deadlocks it is part of, from 0; -1: none. */
  cycle: number;
  parent: Entry | undefined;
  /** Living ones only. */
  children: Set<Entry>;
  /** Of a task. */
  lane: Lane | undefined;
  /** Of a scope. */
  group: Group | undefined;
}

/** A row of the timeline: tasks that have run one after another. */
export interface Lane {
  readonly group: Group;
  readonly entries: Entry[];
}

/** Scopes that were open one after another in the same place, and the lanes of their tasks. */
export interface Group {
  readonly key: string;
  readonly depth: number;
  readonly parent: Group | undefined;
  readonly scopes: Entry[];
  readonly lanes: Set<Lane>;
  /** Lanes whose last task has ended, the longest idle first. */
  readonly free: Set<Lane>;
  readonly groups: Set<Group>;
}

export interface Failure {
  readonly entry: Entry;
  readonly at: number;
  readonly error: string;
  readonly stack: string | undefined;
}

/** A time of which events are missing. */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface Limits {
  readonly ended: number;
  readonly failures: number;
  readonly gaps: number;
}

const LIMITS: Limits = { ended: 20_000, failures: 500, gaps: 100 };

/** So long the lane of a failed task waits for its successor. */
const HOLD = 10_000;

const NONE: ReadonlySet<Entry> = new Set();

export class Model {
  readonly limits: Limits;
  pid = 0;
  title = "";
  cycles: readonly (readonly string[])[] = [];
  /** The synchronous code that keeps the program from everything else, if the last snapshot met it in its midst. */
  blocked: string | undefined;
  /** What lives, by id. */
  readonly entries = new Map<string, Entry>();
  readonly roots = new Set<Entry>();
  readonly failures: Failure[] = [];
  readonly gaps: Gap[] = [];
  readonly counts = { scopes: 0, tasks: 0, pending: 0, running: 0, cancelling: 0, failed: 0, events: 0 };
  /** The top of the timeline; no scope is its own. */
  readonly top: Group = makeGroup("", undefined);
  /** Changes whenever the forest or its states do. */
  version = 0;
  /** Changes whenever rows of the timeline come or go. */
  rowsVersion = 0;
  #ended: Entry[] = [];
  #evicted = 0;
  #takenAt = -Infinity;
  /** Since the last snapshot: the next one may know less. */
  #recent: TimelineEvent[] = [];
  #last = -Infinity;
  /** The clock of the program, minus ours. */
  #skew = 0;

  constructor(limits: Partial<Limits> = {}) {
    this.limits = { ...LIMITS, ...limits };
  }

  /** Now, by the clock of the program. */
  now(): number {
    return Date.now() + this.#skew;
  }

  /** How many entries that have ended are kept. */
  get kept(): number {
    return this.#ended.length - this.#evicted;
  }

  /** Takes what happened. */
  apply(events: readonly TimelineEvent[], dropped = 0): void {
    const [first] = events;
    if (dropped > 0 && first !== undefined && this.#last !== -Infinity) {
      this.gaps.push({ from: this.#last, to: first.at, count: dropped });
      if (this.gaps.length > this.limits.gaps) this.gaps.shift();
    }
    for (const event of events) {
      this.#last = event.at;
      this.#recent.push(event);
      this.#take(event);
    }
    // No snapshot takes longer than that.
    if (this.#recent.length > 20_000) this.#recent = this.#recent.slice(-10_000);
    this.counts.events += events.length;
    this.version++;
  }

  /** Takes what lives, and drops what does not. Everything that happened before the snapshot has been applied. */
  reconcile(snapshot: Snapshot): void {
    this.pid = snapshot.pid;
    this.title = snapshot.title;
    this.blocked = snapshot.blocked;
    this.#takenAt = snapshot.takenAt;
    this.#skew = snapshot.takenAt - Date.now();
    const later = this.#recent.filter(({ at }) => at >= snapshot.takenAt);
    this.#recent = [];
    // What has ended since is not to come back.
    const seen = new Set(later.filter(isEnd).map(({ id }) => id));
    for (const scope of snapshot.scopes) this.#meetScope(scope, undefined, seen);
    // What is younger than the snapshot is not in it.
    const missing = [...this.entries.values()].filter(
      ({ id, since }) => !seen.has(id) && since < snapshot.takenAt,
    );
    for (const entry of missing) this.#end(entry, "lost", snapshot.takenAt);
    for (const entry of this.entries.values()) entry.cycle = -1;
    snapshot.cycles.forEach((ids, index) => {
      for (const id of ids) {
        const entry = this.entries.get(id);
        if (entry !== undefined) entry.cycle = index;
      }
    });
    this.cycles = snapshot.cycles;
    for (const event of later) {
      const entry = this.entries.get(event.id);
      if (entry === undefined || isEnd(event)) continue;
      this.#take(event);
      // Its parent may be known only now.
      const parent = this.entries.get(event.parent ?? "");
      if (parent !== undefined && parent !== entry.parent && !hangsOn(parent, entry))
        this.#move(entry, parent);
    }
    this.version++;
  }

  /** What is known of a failure. */
  failureOf(entry: Entry): Failure | undefined {
    return this.failures.find((failure) => failure.entry === entry);
  }

  /** The forest as it is now: a copy that stays. */
  freeze(): ReadonlySet<Entry> {
    const copy = (entry: Entry, parent: Entry | undefined): Entry => {
      const copied: Entry = { ...entry, parent, children: new Set() };
      for (const child of entry.children) copied.children.add(copy(child, copied));
      return copied;
    };
    return new Set(Array.from(this.roots, (root) => copy(root, undefined)));
  }

  #take(event: TimelineEvent): void {
    const { id, at } = event;
    const entry = this.entries.get(id);
    switch (event.type) {
      case "scope-opened":
      case "task-spawned":
        if (entry === undefined) this.#begin(event);
        return;
      case "task-started":
        if (entry === undefined) return;
        entry.startedAt ??= at;
        if (entry.state === "pending") this.#turn(entry, "running");
        // Whatever it waits for now, the next snapshot knows.
        entry.waitsFor = [];
        return;
      case "cancel-requested":
        if (entry === undefined) return;
        entry.cancel ??= { reason: event.reason ?? "", source: event.source ?? "explicit", at };
        this.#turn(entry, entry.type === "scope" ? "closing" : "cancelling");
        return;
      case "scope-closed":
        if (entry !== undefined) this.#end(entry, "closed", at);
        return;
      case "task-done":
        this.#finish(event, entry);
    }
  }

  #begin(event: TimelineEvent): void {
    const type = event.type === "scope-opened" ? "scope" : "task";
    const running = event.status === "running";
    const entry = makeEntry({
      id: event.id,
      type,
      kind: event.kind ?? (type === "scope" ? "TaskScope" : "task"),
      name: event.name ?? event.id,
      state: type === "scope" ? "open" : running ? "running" : "pending",
      since: event.at,
      restarts: event.restarts ?? 0,
    });
    if (running) entry.startedAt = event.at;
    this.#add(entry, event.parent === undefined ? undefined : this.entries.get(event.parent));
  }

  #finish(event: TimelineEvent, known: Entry | undefined): void {
    const { status } = event;
    const state = status === "succeeded" || status === "failed" || status === "cancelled" ? status : "lost";
    if (known !== undefined) this.#end(known, state, event.at);
    if (state !== "failed") return;
    // Even if nobody saw it begin.
    const entry =
      known ??
      makeEntry({
        id: event.id,
        type: "task",
        kind: "task",
        name: event.name ?? event.id,
        state,
        since: event.at,
        restarts: event.restarts ?? 0,
      });
    entry.endedAt = event.at;
    this.counts.failed++;
    this.failures.push({ entry, at: event.at, error: event.error ?? "unknown", stack: event.stack });
    if (this.failures.length > this.limits.failures) this.failures.shift();
  }

  #meetScope(node: ScopeNode, parent: Entry | undefined, seen: Set<string>): void {
    if (seen.has(node.id)) return;
    seen.add(node.id);
    let entry = this.entries.get(node.id);
    if (entry === undefined) {
      const { id, kind, name, openedAt } = node;
      entry = makeEntry({ id, type: "scope", kind, name, state: "open", since: openedAt, restarts: 0 });
      this.#add(entry, parent);
    } else if (entry.parent !== parent) this.#move(entry, parent);
    this.#learn(entry, node);
    this.#turn(entry, node.state);
    for (const task of node.tasks) this.#meetTask(task, entry, seen);
    for (const scope of node.scopes) this.#meetScope(scope, entry, seen);
  }

  #meetTask(node: TaskNode, parent: Entry, seen: Set<string>): void {
    if (seen.has(node.id)) return;
    seen.add(node.id);
    let entry = this.entries.get(node.id);
    if (entry === undefined) {
      const { id, name, spawnedAt } = node;
      const restarts = node.restarts ?? 0;
      const state = "pending";
      entry = makeEntry({ id, type: "task", kind: "task", name, state, since: spawnedAt, restarts });
      this.#add(entry, parent);
    } else if (entry.parent !== parent) this.#move(entry, parent);
    this.#learn(entry, node);
    entry.startedAt ??= node.startedAt;
    this.#turn(
      entry,
      node.cancel !== undefined ? "cancelling" : node.status === "pending" ? "pending" : "running",
    );
    for (const scope of node.scopes) this.#meetScope(scope, entry, seen);
  }

  #learn(entry: Entry, node: ScopeNode | TaskNode): void {
    entry.cancel = node.cancel;
    entry.site = node.site;
    entry.waitsFor = node.waitsFor;
    entry.seenAt = this.#takenAt;
  }

  #add(entry: Entry, parent: Entry | undefined): void {
    this.entries.set(entry.id, entry);
    this.#count(entry, 1);
    this.#hang(entry, parent);
  }

  #hang(entry: Entry, parent: Entry | undefined): void {
    entry.parent = parent;
    (parent?.children ?? this.roots).add(entry);
    if (entry.type === "scope") this.#placeScope(entry, parent);
    else this.#placeTask(entry, parent);
  }

  /** Nobody saw its parent begin. */
  #move(entry: Entry, parent: Entry | undefined): void {
    (entry.parent?.children ?? this.roots).delete(entry);
    this.#displace(entry);
    this.#hang(entry, parent);
  }

  #turn(entry: Entry, state: EntryState): void {
    if (entry.state === state) return;
    this.#count(entry, -1);
    entry.state = state;
    this.#count(entry, 1);
  }

  #count({ type, state }: Entry, by: 1 | -1): void {
    const { counts } = this;
    counts[type === "scope" ? "scopes" : "tasks"] += by;
    if (state === "pending" || state === "running" || state === "cancelling") counts[state] += by;
  }

  #end(entry: Entry, state: EntryState, at: number): void {
    this.entries.delete(entry.id);
    this.#count(entry, -1);
    entry.state = state;
    entry.endedAt = Math.max(at, entry.since);
    entry.waitsFor = [];
    entry.cycle = -1;
    const siblings = entry.parent?.children ?? this.roots;
    siblings.delete(entry);
    // What hung on it and lives on is to be seen.
    for (const child of entry.children) {
      child.parent = entry.parent;
      siblings.add(child);
    }
    entry.children = NONE as Set<Entry>;
    const { lane } = entry;
    if (lane !== undefined) lane.group.free.add(lane);
    this.#ended.push(entry);
    while (this.kept > this.limits.ended) this.#evict();
  }

  /** The group of a scope: one that nobody uses any more, if there was such a scope in the same place. */
  #placeScope(entry: Entry, parent: Entry | undefined): void {
    const above = parent?.group ?? parent?.lane?.group ?? this.top;
    const key = `${entry.kind} ${entry.name.replace(/\d+/g, "#")}`;
    let group: Group | undefined;
    for (const candidate of above.groups) {
      if (candidate.key === key && isIdle(candidate, entry.since)) {
        group = candidate;
        break;
      }
    }
    if (group === undefined) {
      group = makeGroup(key, above);
      above.groups.add(group);
      this.rowsVersion++;
    }
    group.scopes.push(entry);
    entry.group = group;
  }

  /** The lane of a task: of its predecessor, or one that nobody uses any more. */
  #placeTask(entry: Entry, parent: Entry | undefined): void {
    const group = parent?.group ?? this.top;
    let chosen: Lane | undefined;
    for (const lane of group.free) {
      const last = lane.entries.at(-1);
      if ((last?.endedAt ?? 0) > entry.since) continue;
      const sameName = last?.name === entry.name;
      const usable = last?.state !== "failed" || sameName || entry.since - (last.endedAt ?? 0) > HOLD;
      if (entry.restarts > 0 ? sameName : usable) {
        chosen = lane;
        break;
      }
    }
    if (chosen === undefined) {
      chosen = { group, entries: [] };
      group.lanes.add(chosen);
      this.rowsVersion++;
    }
    group.free.delete(chosen);
    chosen.entries.push(entry);
    entry.lane = chosen;
  }

  #evict(): void {
    const entry = this.#ended[this.#evicted++];
    if (this.#evicted > 10_000) {
      this.#ended = this.#ended.slice(this.#evicted);
      this.#evicted = 0;
    }
    if (entry !== undefined) this.#displace(entry);
  }

  /** Out of the timeline. */
  #displace(entry: Entry): void {
    const { lane, group } = entry;
    if (lane !== undefined) {
      remove(lane.entries, entry);
      const last = lane.entries.at(-1);
      if (last !== undefined) {
        if (last.endedAt !== undefined) lane.group.free.add(lane);
        return;
      }
      lane.group.lanes.delete(lane);
      lane.group.free.delete(lane);
      this.#prune(lane.group);
    } else if (group !== undefined) {
      remove(group.scopes, entry);
      this.#prune(group);
    }
  }

  #prune(group: Group): void {
    this.rowsVersion++;
    if (group.scopes.length > 0 || group.lanes.size > 0 || group.groups.size > 0) return;
    if (group.parent === undefined) return;
    group.parent.groups.delete(group);
    this.#prune(group.parent);
  }

  /** As new: the program is another one. */
  clear(): void {
    for (const set of [this.entries, this.roots, this.top.lanes, this.top.free, this.top.groups]) set.clear();
    this.failures.length = this.gaps.length = this.#ended.length = this.#evicted = 0;
    for (const name of Object.keys(this.counts) as (keyof typeof this.counts)[]) this.counts[name] = 0;
    this.#recent = [];
    this.#last = -Infinity;
    this.cycles = [];
    this.rowsVersion++;
    this.version++;
  }
}

/** Itself, or by way of others. */
function hangsOn(entry: Entry, above: Entry): boolean {
  for (let at: Entry | undefined = entry; at !== undefined; at = at.parent) if (at === above) return true;
  return false;
}

function isEnd({ type }: TimelineEvent): boolean {
  return type === "task-done" || type === "scope-closed";
}

function makeEntry(
  values: Pick<Entry, "id" | "type" | "kind" | "name" | "state" | "since" | "restarts">,
): Entry {
  return {
    ...values,
    key: values.name.toLowerCase(),
    startedAt: undefined,
    endedAt: undefined,
    cancel: undefined,
    site: undefined,
    waitsFor: [],
    seenAt: values.since,
    cycle: -1,
    parent: undefined,
    children: new Set(),
    lane: undefined,
    group: undefined,
  };
}

function makeGroup(key: string, parent: Group | undefined): Group {
  const depth = parent === undefined ? 0 : parent.depth + 1;
  return { key, depth, parent, scopes: [], lanes: new Set(), free: new Set(), groups: new Set() };
}

/** No scope and no task of it lives, and none has lived since then. */
function isIdle({ scopes, lanes, free }: Group, since: number): boolean {
  return (scopes.at(-1)?.endedAt ?? Infinity) <= since && free.size === lanes.size;
}

/** Nearly always the first one. */
function remove(list: Entry[], entry: Entry): void {
  const index = list.indexOf(entry);
  if (index >= 0) list.splice(index, 1);
}
