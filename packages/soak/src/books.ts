/**
 * What was started and how it ended, and what failed and who was told: two accounts of the same events, one by the functions
 * themselves, one by the packages. They have to agree.
 */
import { CancelledError, type Task, TaskGroupError, TimeoutError, isCancellation } from "@scope/core";
import { RestartLimitError } from "@scope/supervisor";

/** How a function has ended, by itself. */
export type Ending = "returned" | "obeyed" | "threw";

/** One call of a function, and what came of it. */
export interface Job {
  ending: Ending | undefined;
  value: unknown;
  error: unknown;
}

export interface Tally {
  /** Tasks that were spawned and not refused. */
  spawned: number;
  called: number;
  /** What the functions say. */
  returned: number;
  obeyed: number;
  threw: number;
  /** What the packages say; of functions whose tasks nobody sees, the same as above. */
  succeeded: number;
  failed: number;
  cancelled: number;
}

interface Debt {
  readonly by: string;
  /** How often it is to be told. */
  due: number;
  told: number;
  dropped: boolean;
}

const MOST_FINDINGS = 20;

export class Books {
  readonly findings: string[] = [];
  readonly tallies = new Map<string, Tally>();
  /** How often each operation was tried. */
  readonly tried = new Map<string, number>();
  /** How many failures each reporter was told. */
  readonly reporters = new Map<string, number>();
  /** Episodes that have not ended, and what they are. */
  readonly underWay = new Map<number, string>();
  /** Functions that have been called and have not settled. */
  live = 0;
  /** Owners that were dropped without being waited for, and how many of them somebody was warned of. */
  dropped = 0;
  warned = 0;
  /** Cancellations that are somebody's failure all the same (L4). */
  readonly #foreign = new WeakSet();
  readonly #debts = new WeakMap<object, Debt>();
  readonly #untold = new Map<unknown, Debt>();

  find(what: string): void {
    if (this.findings.length < MOST_FINDINGS && !this.findings.includes(what)) this.findings.push(what);
  }

  check(holds: boolean, otherwise: string): void {
    if (!holds) this.find(otherwise);
  }

  note(what: string): void {
    this.tried.set(what, (this.tried.get(what) ?? 0) + 1);
  }

  tally(kind: string): Tally {
    let tally = this.tallies.get(kind);
    if (tally === undefined) {
      tally = {
        spawned: 0,
        called: 0,
        returned: 0,
        obeyed: 0,
        threw: 0,
        succeeded: 0,
        failed: 0,
        cancelled: 0,
      };
      this.tallies.set(kind, tally);
    }
    return tally;
  }

  /** A cancellation that nobody has asked for. */
  foreign(): CancelledError {
    const error = new CancelledError("somebody else's");
    this.#foreign.add(error);
    return error;
  }

  /** Something has failed with this: each failure in it is to be told so often. */
  owe(error: unknown, by: string, due = 1, dropped = false): void {
    for (const leaf of leavesOf(error)) {
      // A stack that nobody has read refers to the owners in it, and the books keep the error.
      if (dropped) void (leaf as Error).stack;
      if (typeof leaf !== "object" || leaf === null) this.find(`${by} failed with ${String(leaf)}`);
      else if (this.#debts.has(leaf)) {
        // It has come up from an owner further down, or somebody has failed with another one's failure.
        const debt = this.#debts.get(leaf)!;
        debt.due = debt.told + due;
        debt.dropped = dropped;
        if (due === 0) this.#forgive(leaf);
      } else if (due > 0 && !this.#isPlainCancellation(leaf)) {
        const debt = { by, due, told: 0, dropped };
        this.#debts.set(leaf, debt);
        this.#untold.set(leaf, debt);
      }
    }
  }

  /** Somebody is told. */
  tell(error: unknown, via: string): void {
    for (const leaf of leavesOf(error)) {
      const debt = this.#debts.get(leaf as object);
      if (debt === undefined) {
        if (this.#isPlainCancellation(leaf)) continue;
        // Made by the packages, and told by who made them.
        const known = leaf instanceof TimeoutError || leaf instanceof RestartLimitError;
        this.check(known, `${via} was told what nobody has failed with: ${String(leaf)}`);
        if (known) this.#debts.set(leaf, { by: "a package", due: 1, told: 1, dropped: false });
        continue;
      }
      debt.told++;
      this.reporters.set(via, (this.reporters.get(via) ?? 0) + 1);
      if (debt.told === debt.due) this.#untold.delete(leaf);
      this.check(
        debt.told <= debt.due,
        `L2: told ${debt.told} times, the last one by ${via}: a failure of ${debt.by}`,
      );
    }
  }

  /** A task is done; `job` is what its function says. */
  compare(kind: string, by: string, task: Task<unknown>, job: Job): void {
    const { status } = task;
    const tally = this.tally(kind);
    if (job.ending === "threw" && status === "cancelled" && isCancellation(job.error)) {
      // Asked after it had thrown somebody else's cancellation, and before that was known.
      job.ending = "obeyed";
      tally.threw--;
      tally.obeyed++;
      this.#forgive(job.error as object);
    }
    const { ending } = job;
    if (status === "succeeded" || status === "failed" || status === "cancelled") tally[status]++;
    else this.find(`done, and ${status}: ${by}`);
    const expected = ending === "returned" ? "succeeded" : ending === "threw" ? "failed" : "cancelled";
    this.check(status === expected, `L4: ${ending ?? "never called"}, and ${status}: ${by}`);
    if (status === "succeeded") this.check(task.result() === job.value, `another result: ${by}`);
    if (status === "failed") this.check(task.error === job.error, `another error: ${by}`);
    if (status === "cancelled") {
      this.check(task.cancelRequested && task.error === task.token.error, `L4: cancelled by nobody: ${by}`);
    }
  }

  /** How many failures of owners that were dropped wait for the garbage collector. */
  get undelivered(): number {
    return [...this.#untold.values()].filter(({ dropped }) => dropped).length;
  }

  /** What must hold when nothing is under way. */
  balance(final = false): void {
    this.check(this.live === 0, `L1: ${this.live} functions run when everything has ended`);
    for (const [error, { by, told, due, dropped }] of this.#untold) {
      if (dropped && !final) continue;
      this.find(`L2: told ${told} times, not ${due}: a failure of ${by}: ${String(error)}`);
      this.#untold.delete(error);
    }
    for (const [kind, { spawned, called, returned, obeyed, threw, succeeded, failed, cancelled }] of this
      .tallies) {
      const sums = `${spawned} spawned, ${called} called; ${returned} returned, ${obeyed} obeyed, ${threw} threw; ${succeeded} succeeded, ${failed} failed, ${cancelled} cancelled`;
      const agree =
        spawned === succeeded + failed + cancelled &&
        called === returned + obeyed + threw &&
        succeeded === returned &&
        failed === threw &&
        cancelled === obeyed + spawned - called;
      this.check(agree, `the accounts of ${kind} differ: ${sums}`);
    }
    if (final)
      this.check(this.dropped === this.warned, `${this.warned} warnings of ${this.dropped} dropped owners`);
  }

  #isPlainCancellation(error: unknown): boolean {
    return isCancellation(error) && !this.#foreign.has(error as object);
  }

  #forgive(leaf: object): void {
    this.#untold.delete(leaf);
    this.#debts.delete(leaf);
  }
}

/** The failures in an error: its own, or those of its members. */
function leavesOf(error: unknown): unknown[] {
  return error instanceof TaskGroupError ? error.leaves() : [error];
}
