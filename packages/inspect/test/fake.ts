/** A program that does not exist: plain data that comes and goes as in a real one, as many of it as one likes. */
import type { EventBatch, Inspected, ScopeNode, Snapshot, TaskNode, TimelineEvent } from "../src/types.ts";

export interface FakeOptions {
  /** Tasks that live, spread over scopes. */
  readonly live?: number;
  readonly perScope?: number;
  /** Events per second. Every task makes two or three. */
  readonly rate?: number;
  /** Events that are kept. */
  readonly ring?: number;
}

interface FakeTask {
  readonly id: string;
  readonly name: string;
  readonly scope: FakeScope;
  readonly spawnedAt: number;
  startedAt?: number;
  cancel?: TaskNode["cancel"];
  readonly restarts: number;
}

interface FakeScope {
  readonly id: string;
  readonly name: string;
  readonly openedAt: number;
  readonly tasks: Map<string, FakeTask>;
}

const WORDS = ["read", "resize", "upload", "index", "notify", "fetch", "parse", "store"];

/** A fake that moves when it is asked: as much has happened by then as its rate says. */
export class Fake implements Inspected {
  readonly #options: Required<FakeOptions>;
  readonly #scopes: FakeScope[] = [];
  readonly #tasks: FakeTask[] = [];
  #ring: TimelineEvent[] = [];
  #seq = 0;
  #ids = 0;
  #turn = 0;
  #at = Date.now();
  #due = 0;
  #random = 1;
  /** What is asked rejects with it. */
  end: Error | undefined;

  constructor(options: FakeOptions = {}) {
    this.#options = { live: 60, perScope: 20, rate: 60, ring: 10_000, ...options };
    const { live, perScope } = this.#options;
    for (let index = 0; index * perScope < live; index++) {
      const scope: FakeScope = {
        id: `s${++this.#ids}`,
        name: `batch ${index + 1}`,
        openedAt: this.#at,
        tasks: new Map(),
      };
      this.#scopes.push(scope);
      this.#note({ type: "scope-opened", id: scope.id, name: scope.name, kind: "TaskGroup" });
    }
    for (let index = 0; index < live; index++) this.#spawn(0);
    for (const task of this.#tasks) this.#start(task);
  }

  async snapshot(): Promise<Snapshot> {
    this.#advance();
    const at = this.#at;
    const scopes = this.#scopes.map((scope): ScopeNode => ({
      id: scope.id,
      kind: "TaskGroup",
      name: scope.name,
      state: "open",
      openedAt: scope.openedAt,
      waitsFor: [],
      scopes: [],
      tasks: Array.from(scope.tasks.values(), (task): TaskNode => nodeOf(task)),
    }));
    return { version: 1, pid: 4711, title: "/srv/app/fake.ts", takenAt: at, scopes, cycles: [] };
  }

  async events(since: number, limit = 1_000): Promise<EventBatch> {
    this.#advance();
    const oldest = this.#seq - this.#ring.length + 1;
    const first = Math.max(since, oldest, 1);
    const events = this.#ring.slice(first - oldest, first - oldest + limit);
    return { events, dropped: Math.max(0, first - Math.max(1, since)), next: first + events.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #advance(): void {
    if (this.end !== undefined) throw this.end;
    const now = Date.now();
    this.#due += ((now - this.#at) / 1_000) * this.#options.rate;
    const from = this.#at;
    const until = this.#seq + this.#due;
    const steps = this.#due;
    while (this.#seq < until && this.#due >= 1) {
      this.#at = Math.min(now, from + (this.#due === 0 ? 1 : 1 - (until - this.#seq) / steps) * (now - from));
      this.#step();
    }
    this.#due = Math.max(0, until - this.#seq);
    this.#at = now;
  }

  /** One task ends, another one takes its place. */
  #step(): void {
    const index = Math.floor(this.#next() * this.#tasks.length);
    const task = this.#tasks[index]!;
    this.#tasks[index] = this.#tasks.at(-1)!;
    this.#tasks.pop();
    const turn = this.#turn++;
    const failed = turn % 50 === 7;
    const cancelled = !failed && turn % 20 === 3;
    if (cancelled) {
      this.#note({ type: "cancel-requested", id: task.id, reason: "no longer needed", source: "explicit" });
    }
    task.scope.tasks.delete(task.id);
    this.#note({
      type: "task-done",
      id: task.id,
      status: failed ? "failed" : cancelled ? "cancelled" : "succeeded",
      ...(failed
        ? { error: `Error: no route to ${task.name}`, stack: "Error: no route\n    at send (net.ts:1:1)" }
        : {}),
    });
    this.#start(this.#spawn(failed ? task.restarts + 1 : 0, failed ? task : undefined));
  }

  #spawn(restarts: number, before?: FakeTask): FakeTask {
    const id = `t${++this.#ids}`;
    const scope = before?.scope ?? this.#scopes[this.#ids % this.#scopes.length]!;
    const name = before?.name ?? `${WORDS[this.#ids % WORDS.length]!} ${this.#ids}`;
    const task: FakeTask = { id, name, scope, spawnedAt: this.#at, restarts };
    scope.tasks.set(id, task);
    this.#tasks.push(task);
    this.#note({
      type: "task-spawned",
      id,
      name,
      parent: scope.id,
      status: "pending",
      ...(restarts > 0 ? { restarts } : {}),
    });
    return task;
  }

  #start(task: FakeTask): void {
    task.startedAt = this.#at;
    this.#note({ type: "task-started", id: task.id });
  }

  #note(event: Omit<TimelineEvent, "seq" | "at">): void {
    this.#ring.push({ seq: ++this.#seq, at: this.#at, ...event });
    if (this.#ring.length > this.#options.ring * 2) this.#ring = this.#ring.slice(-this.#options.ring);
  }

  /** The same in every run. */
  #next(): number {
    this.#random = (this.#random * 48_271) % 2_147_483_647;
    return this.#random / 2_147_483_647;
  }
}

function nodeOf({ id, name, spawnedAt, startedAt, restarts, cancel }: FakeTask): TaskNode {
  return {
    id,
    name,
    status: startedAt === undefined ? "pending" : "running",
    spawnedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(restarts > 0 ? { restarts } : {}),
    ...(cancel === undefined ? {} : { cancel }),
    waitsFor: [{ for: "sleep", remaining: 1_000 }],
    scopes: [],
  };
}
