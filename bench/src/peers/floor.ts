/**
 * The least code that could keep the laws: a task and its token, in one list of what is alive, two bound reactions, one error for
 * all that are cancelled. No options, no states, no names, no failures but the first, no way to wait for it from elsewhere. What
 * ours costs above this is what those cost.
 */
import { type Fn, type Peer, type Tally, errorOf, fails, waits, wins } from "../peer.ts";

type Reaction = (error: Error) => void;

/** What resolves the promise that was made last. */
let kept = (): void => {};

function keep(resolve: () => void): void {
  kept = resolve;
}

class Token {
  newer: Token | undefined = undefined;
  older: Token | undefined;
  error: Error | undefined = undefined;
  reaction: Reaction | undefined = undefined;
  readonly parent: Group;

  constructor(parent: Group) {
    this.parent = parent;
    const older = parent.newest;
    this.older = older;
    if (older !== undefined) older.newer = this;
    parent.newest = this;
  }

  unlink(): void {
    const { newer, older } = this;
    if (newer === undefined) this.parent.newest = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
    this.newer = this.older = undefined;
  }
}

class Task {
  status = "running";
  outcome: unknown = undefined;
  readonly token: Token;

  constructor(token: Token) {
    this.token = token;
  }
}

/** A place in line. */
class Place {
  after: Place | undefined = undefined;
  go: () => void = kept;
  readonly task: Task;
  readonly fn: () => Promise<unknown>;

  constructor(task: Task, fn: () => Promise<unknown>) {
    this.task = task;
    this.fn = fn;
  }
}

class Group {
  newest: Token | undefined = undefined;
  live = 0;
  failure: unknown = undefined;
  won: unknown = undefined;
  freed: (() => void) | undefined = undefined;
  first: Place | undefined = undefined;
  newcomer: Place | undefined = undefined;
  readonly racing: boolean;
  #done: (() => void) | undefined;

  constructor(racing = false) {
    this.racing = racing;
  }

  spawn(fn: (token: Token) => Promise<unknown>): Task {
    const task = new Task(new Token(this));
    this.live++;
    fn(task.token).then(succeed.bind(task), fail.bind(task));
    return task;
  }

  /** Two phases: all are marked before the first is told. */
  cancel(): void {
    const error = new Error("cancelled");
    for (let token = this.newest; token !== undefined; token = token.older) token.error = error;
    for (let token = this.newest; token !== undefined; token = token.older) token.reaction?.(error);
  }

  /** Made now, with what a task is that has to wait for its turn: it keeps the async context of its caller (L10). */
  enter(fn: () => Promise<unknown>): void {
    const place = new Place(new Task(new Token(this)), fn);
    this.live++;
    if (this.newcomer === undefined) this.first = place;
    else this.newcomer.after = place;
    this.newcomer = place;
    void new Promise<void>(keep).then(begin.bind(place));
    place.go = kept;
  }

  ended(task: Task, status: string, outcome: unknown): void {
    task.status = status;
    task.outcome = outcome;
    task.token.unlink();
    this.live--;
    const decides = this.racing ? status === "succeeded" : status === "failed";
    if (decides && task.token.error === undefined) {
      if (this.racing) this.won = outcome;
      else this.failure = outcome;
      this.cancel();
    }
    this.freed?.();
    if (this.live === 0) this.#done?.();
  }

  async join(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    if (this.failure !== undefined) throw this.failure as Error;
  }
}

function succeed(this: Task, value: unknown): void {
  this.token.parent.ended(this, "succeeded", value);
}

function fail(this: Task, error: unknown): void {
  this.token.parent.ended(this, this.token.error === undefined ? "failed" : "cancelled", error);
}

function begin(this: Place): void {
  this.fn().then(succeed.bind(this.task), fail.bind(this.task));
}

function cancelled(token: Token): Promise<never> {
  return new Promise((_, reject) => {
    token.reaction = reject;
  });
}

function opened(fns: readonly Fn[]): Group {
  const group = new Group();
  for (const fn of fns) group.spawn(fn);
  return group;
}

function waiting(group: Group, count: number, other: number, tally: Tally, fn: Fn): void {
  for (let n = 0; n < count; n++) {
    group.spawn((token) => (n === other ? fn() : waits(tally, cancelled(token))));
  }
}

const floor: Peer = {
  name: "the least code",
  kind: "floor",
  lacks: {
    g: "not written",
    h: "not written",
    i: "not written",
    j: "not written",
  },
  join: (fns) => opened(fns).join(),
  limited(fns, concurrency) {
    const group = new Group();
    let next = 0;
    // The end of a task starts the next one.
    group.freed = () => {
      if (next < fns.length) group.spawn(fns[next++]!);
    };
    while (next < Math.min(concurrency, fns.length)) group.freed();
    return group.join();
  },
  wait(count, tally) {
    const group = new Group();
    waiting(group, count, -1, tally, () => Promise.resolve());
    return {
      cancel: () => {
        group.cancel();
      },
      ended: () => group.join(),
    };
  },
  failFast(count, failing, error, tally) {
    const group = new Group();
    waiting(group, count, failing, tally, () => fails(tally, error));
    return errorOf(group.join());
  },
  async race(count, winner, tally) {
    const group = new Group(true);
    waiting(group, count, winner, tally, () => wins(tally));
    await group.join();
    return group.won;
  },
};

const see = "see the least code";

/** (d) with all functions handed over at once, as `spawn` is. */
const inLine: Peer = {
  name: "the least code, in line",
  kind: "floor",
  lacks: { a: see, b: see, c: see, e: see, f: see, g: see, h: see, i: see, j: see },
  limited(fns, concurrency) {
    const group = new Group();
    // The end of a task has the next in line begin.
    group.freed = () => {
      const { first } = group;
      group.first = first?.after;
      if (group.first === undefined) group.newcomer = undefined;
      first?.go();
    };
    for (const fn of fns.slice(0, concurrency)) group.spawn(fn);
    for (const fn of fns.slice(concurrency)) group.enter(fn);
    return group.join();
  },
};

export const peers = [floor, inLine];
