/** One owner, seen from outside: what runs in it, what it ends in, and what anybody may do to it. */
import {
  FatalError,
  InvalidStateError,
  type SpawnOptions,
  type StopOptions,
  type Task,
  type TaskFunction,
  type TaskSpawner,
  isCancellation,
} from "@scope/core";
import type { Job, Tally } from "./books.ts";
import type { Dice } from "./dice.ts";
import type { Episode } from "./episode.ts";
import { perform } from "./work.ts";

/** What all owners have. */
export interface Handle extends TaskSpawner, AsyncDisposable {
  cancel(reason?: unknown): void;
  join(): Promise<void>;
  stop(options?: StopOptions): Promise<void>;
}

export interface AccountOptions {
  /** How often a failure of a task is told: 0 if its owner ignores it, 2 if it is logged as well. @default 1 */
  due?: number;
  /** Nobody is going to wait for it. @default false */
  dropped?: boolean;
  /** A function that fails with what a sibling has failed with is no news to it. @default false */
  shares?: boolean;
  /** `join` and `stop` leave it open, and who else spawns may go on. @default false */
  staysOpen?: boolean;
  /** A fatal error would end more than the episode. @default false */
  mild?: boolean;
}

interface JobOptions {
  /** Somebody compares the end of its task with that of the function. @default false */
  watched?: boolean;
  /** The body of an owner, whose failure is always told. @default false */
  body?: boolean;
  /** The number of this failure's tellings, if not the owner's. */
  due?: number | undefined;
  /** What it does. */
  act?: TaskFunction<unknown>;
}

export type Called = Job & { readonly fn: TaskFunction<unknown> };

export class Account {
  readonly episode: Episode;
  readonly kind: string;
  readonly name: string;
  readonly shares: boolean;
  readonly dropped: boolean;
  readonly mild: boolean;
  /** Functions, and bodies, that have been called and have not settled. */
  live = 0;
  bodies = 0;
  /** How many tasks there were, and functions called, but for bodies. */
  spawned = 0;
  called = 0;
  /** The tasks that have not ended, as far as anybody has a handle. */
  readonly tasks: Task<unknown>[] = [];
  readonly troubles: (() => unknown)[] = [];
  /** Whom its functions spawn siblings in. */
  handle: TaskSpawner | undefined;
  readonly #due: number;
  readonly #staysOpen: boolean;
  readonly #told = new WeakSet();

  constructor(episode: Episode, kind: string, options: AccountOptions = {}) {
    const { due = 1, dropped = false, shares = false, mild = false, staysOpen = false } = options;
    this.episode = episode;
    this.kind = kind;
    this.name = `${kind}, ${episode.name}`;
    this.#due = due;
    this.#staysOpen = staysOpen;
    this.dropped = dropped;
    this.shares = shares;
    this.mild = mild;
    episode.books.note(kind);
  }

  /** A function of the owner, that keeps the books. */
  job(dice: Dice, options: JobOptions = {}): Called {
    const { watched = false, body = false } = options;
    const { books } = this.episode;
    const tally = books.tally(body ? `${this.kind}, bodies` : this.kind);
    const asks = dice.chance(0.05) && !body;
    const act = options.act ?? ((token) => perform(this, dice, token, { body, watched, asks }));
    const end = (how: "returned" | "obeyed" | "threw"): void => {
      books.live--;
      if (body) this.bodies--;
      else this.live--;
      job.ending = how;
      tally[how]++;
      if (!watched) tally[ENDS[how]]++;
    };
    const job: Called = {
      ending: undefined,
      value: undefined,
      error: undefined,
      fn: (token) => {
        tally.called++;
        if (!watched) tally.spawned++;
        books.live++;
        if (body) this.bodies++;
        else {
          this.live++;
          this.called++;
        }
        books.check(!token.cancelRequested || body, `called with a cancelled token: ${this.name}`);
        const succeed = (value: unknown): unknown => {
          job.value = value;
          end("returned");
          return value;
        };
        const fail = (error: unknown): never => {
          job.error = error;
          const { error: own } = token;
          const isReason = own?.source === "signal" && own.reason === error;
          if (own !== undefined && (isCancellation(error) || isReason)) end("obeyed");
          else {
            end("threw");
            books.owe(error, this.name, this.#dueOf(error, options), this.dropped);
          }
          throw error;
        };
        let given: unknown;
        try {
          given = act(token);
        } catch (error) {
          return fail(error);
        }
        return given instanceof Promise ? given.then(succeed, fail) : succeed(given);
      },
    };
    return job;
  }

  /** One more task beside the others; `undefined` if there are enough, or the owner refuses. */
  spawn(dice: Dice): Task<unknown> | undefined {
    if (this.handle === undefined || !this.episode.admits()) return undefined;
    return this.start(this.handle, this.job(dice, { watched: true }));
  }

  /** `undefined` if it is refused. */
  start(spawner: TaskSpawner, job: Called, options?: SpawnOptions): Task<unknown> | undefined {
    const { books } = this.episode;
    try {
      const task = spawner.spawn(job.fn, options);
      this.watch(task, job);
      return task;
    } catch (error) {
      books.note("spawn refused");
      books.check(error instanceof InvalidStateError, `spawn throws ${String(error)}: ${this.name}`);
      books.check(job.ending === undefined, `refused, and called: ${this.name}`);
      return undefined;
    }
  }

  watch(task: Task<unknown>, job: Job): void {
    const { books } = this.episode;
    let told = false;
    books.tally(this.kind).spawned++;
    this.spawned++;
    this.tasks.push(task);
    task.onDone(() => {
      books.check(!told, `L2: onDone was called twice: ${this.name}`);
      told = true;
      this.tasks.splice(this.tasks.indexOf(task), 1);
      books.compare(this.kind, this.name, task, job);
    });
  }

  /** What anybody may do to an owner, from anywhere. */
  exposeTo(dice: Dice, handle: Handle, cancelOuter: (() => void) | undefined): void {
    const timeout = dice.below(4);
    this.handle = handle;
    const some: [string, () => unknown][] = [
      [
        "cancel",
        () => {
          handle.cancel("trouble");
        },
      ],
      ["cancel a task", () => this.tasks.at(-1)?.cancel("trouble")],
      [
        "join",
        () => {
          this.#loose("join", handle.join());
        },
      ],
      [
        "stop",
        () => {
          this.#loose("stop", handle.stop({ reason: "trouble" }));
        },
      ],
      [
        "limited stop",
        () => {
          this.#loose("limited stop", handle.stop({ timeout }), true);
        },
      ],
      ["cancel a task", () => this.tasks[0]?.cancel()],
    ];
    if (cancelOuter !== undefined) some.push(["outer cancel", cancelOuter]);
    for (const [what, act] of some) {
      this.troubles.push(() => {
        this.episode.books.note(what);
        act();
      });
    }
  }

  /** Makes some trouble. */
  trouble(dice: Dice): void {
    if (this.troubles.length > 0) dice.pick(this.troubles)();
  }

  /** Somebody who waits is told of what it ends in: once, however many wait. */
  outcome(error: unknown, via: string): void {
    if (this.#take(error)) this.episode.books.tell(error, `${via} of ${this.kind}`);
  }

  /** Waits for its end, tells what that is, and looks whether it is the end. */
  async settle(via: string, promise: Promise<unknown>, limited = false): Promise<void> {
    try {
      await promise;
      this.episode.books.note(`${via} of ${this.kind} resolves`);
    } catch (error) {
      this.episode.books.note(`${via} of ${this.kind} rejects`);
      this.outcome(error, via);
      if (limited) return;
    }
    this.#nothingRuns(via);
  }

  /** The same for the scene itself; a scene within another may end in the same. */
  async conclude(via: string, promise: Promise<unknown>, dice: Dice, nested: boolean): Promise<void> {
    const passOn = nested && dice.chance(0.5);
    if (!passOn) {
      await this.settle(via, promise);
      return;
    }
    try {
      await promise;
    } catch (error) {
      this.#nothingRuns(via);
      if (this.#take(error)) throw error;
    }
  }

  /** What makes an owner end is told, though the others are ignored; and a body's failure is. */
  #dueOf(error: unknown, { body = false, due = this.#due }: JobOptions): number {
    return body || (due === 0 && error instanceof FatalError) ? 1 : due;
  }

  #loose(via: string, promise: Promise<unknown>, limited = false): void {
    this.episode.loose(this.settle(via, promise, limited));
  }

  #take(error: unknown): boolean {
    if (this.#told.has(error as object)) return false;
    this.#told.add(error as object);
    return true;
  }

  #nothingRuns(via: string): void {
    if (this.#staysOpen && via !== "run" && via !== "dispose") return;
    const left = this.live + (via === "join" || via.endsWith("stop") ? 0 : this.bodies);
    this.episode.books.check(left === 0, `L1: ${left} functions run after ${via}: ${this.name}`);
  }
}

const ENDS = { returned: "succeeded", obeyed: "cancelled", threw: "failed" } as const satisfies Record<
  string,
  keyof Tally
>;
