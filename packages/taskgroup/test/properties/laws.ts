/** What must hold of a finished run: every outcome is derived anew from what happened, and compared. */
import { FatalError, TaskGroupError, TimeoutError } from "@scope/core";
import type { CancelledError, Task } from "@scope/core";
import { isCancellationOf } from "./world.ts";
import type { End, OwnerRecord, Wait, World } from "./world.ts";

/** A failure and whose it is; `undefined`: the body's. */
interface Entry {
  readonly error: unknown;
  readonly task: Task<unknown> | undefined;
  /** Nobody can tell whether it was a failure: see `ambiguous`. */
  readonly optional?: boolean;
  /** A task and the body failed with it at once: it is listed once, as whoever's. */
  readonly shared?: boolean;
}

interface Failed extends Entry {
  readonly seq: number;
  readonly turn: number;
}

/** One way in which an owner may rightly end. */
interface Verdict {
  readonly says: string;
  readonly fits: (end: End) => boolean;
}

export function checkLaws(world: World): void {
  const expected: Entry[] = world.callbackErrors.map((error) => ({ error, task: undefined }));
  for (const owner of world.owners) {
    new OwnerLaws(world, owner).check(expected);
  }
  checkReports(world, expected);
  for (const { token, callback, unregistered, calls } of world.registrations) {
    const due = !unregistered && token.cancelRequested ? 1 : 0;
    world.check(calls === due, `L8: a callback that ${callback} ran ${calls} times instead of ${due}`);
  }
}

/** L2: what the process-wide handler was told is what nobody else was told, each once. */
function checkReports(world: World, expected: readonly Entry[]): void {
  const left = [...expected];
  for (const { error, task, message } of world.reports) {
    const index = left.findIndex(
      (entry) => entry.error === error && (entry.task === task || entry.shared === true),
    );
    world.check(index >= 0, `L2: told to the handler, though told elsewhere: ${message}, ${String(error)}`);
    if (index >= 0) left.splice(index, 1);
  }
  for (const { error, optional = false } of left) world.check(optional, `L2: lost: ${String(error)}`);
}

class OwnerLaws {
  readonly #world: World;
  readonly #owner: OwnerRecord;
  readonly #name: string;
  readonly #isGroup: boolean;
  /** Failures that are not fatal, in the order in which they happened; a group lists an object once. */
  readonly #failed: readonly Failed[];
  readonly #fatal: readonly Failed[];
  /** The body's failure, if that is what its end was, and no task had failed with that object before. */
  readonly #bodyFailure: Failed | undefined;
  /** Whether it was joined or stopped, and closed, before it heard of the body's end; who waited was told of this. */
  readonly #closedFirst: "yes" | "no" | "perhaps";
  readonly #told: ReadonlySet<unknown>;

  constructor(world: World, owner: OwnerRecord) {
    this.#world = world;
    this.#owner = owner;
    this.#name = owner.name;
    this.#isGroup = owner.spec.type === "TaskGroup";
    const { body } = owner;
    const told = owner.waits.filter(
      ({ via, gaveUp, calledClosed, turn }) =>
        via !== "run" && !gaveUp && !calledClosed && (body?.closed === true || turn === body?.turn),
    );
    this.#closedFirst = body?.closed === true ? "yes" : told.length > 0 ? "perhaps" : "no";
    this.#told = new Set(told.flatMap(({ end }) => (end?.ok === false ? [end.error] : [])));
    const all = owner.ends.flatMap(({ task, ended }): Failed[] =>
      task!.status === "failed" ? [{ error: task!.error, task: task!, ...ended! }] : [],
    );
    // What a `join` in the body has thrown is passed on, not a failure of the body's own.
    const passedOn = body?.ok === false && body.closed && this.#told.has(body.error);
    if (body?.ok === false && !body.cancelled && !passedOn) {
      const { error, seq, turn } = body;
      const younger = all.findIndex((failed) => failed.seq > seq);
      all.splice(younger < 0 ? all.length : younger, 0, { error, task: undefined, seq, turn });
    }
    const seen = new Set<unknown>();
    const once = all
      .filter(({ error }) => {
        const isNew = !seen.has(error);
        if (Object(error) === error) seen.add(error);
        return isNew;
      })
      .map((failed) => ({ ...failed, shared: isShared(failed, all) }));
    this.#fatal = once.filter(({ error }) => error instanceof FatalError);
    this.#failed = (this.#isGroup ? once : all).filter(({ error }) => !(error instanceof FatalError));
    this.#bodyFailure = [...this.#failed, ...this.#fatal].find(({ task }) => task === undefined);
  }

  check(expected: Entry[]): void {
    const { handle, tasks, ends, spec, onTaskDone } = this.#owner;
    if (handle !== undefined) {
      this.#must(handle.state === "closed", `is ${handle.state} in the end`);
      this.#must(handle.size === 0 && handle.tasks.size === 0, "L1: has tasks in the end");
    }
    this.#must(ends.length === tasks.length, `L1: ${tasks.length} tasks and ${ends.length} ends`);
    if (spec.type === "TaskScope")
      this.#must(
        sameList(
          onTaskDone,
          ends.map(({ task }) => task),
        ),
        "onTaskDone misses or repeats a task",
      );
    for (const { name, task, ended } of ends)
      this.#must(task!.cancelRequested === ended!.cancelled, `L7: ${name} is cancelled after its end`);
    for (const wait of this.#owner.waits) this.#checkWait(wait);
    this.#checkOneObject();
    if (this.#isGroup) this.#checkGroup(expected);
    else this.#checkScope(expected);
    this.#checkFatal(expected);
  }

  #must(holds: boolean, violation: string): void {
    this.#world.check(holds, `${this.#name}: ${violation}`);
  }

  // L2: who is told

  /** The group's errors, taken together, list every failure once, in order; unless a fatal error outranks them. */
  #checkGroup(expected: Entry[]): void {
    const shared = this.#failed.find((failed) => failed.shared === true);
    const listed = [...this.#errors()].flatMap((group) =>
      group.errors.map((error, index): Entry => {
        const task = error === shared?.error ? undefined : group.tasks[index];
        return { error, task };
      }),
    );
    const due = this.#failed.filter(({ task }) => task !== undefined || !this.#ambiguous());
    if (this.#hasFatal()) {
      if (this.#ambiguous()) due.push({ ...this.#bodyFailure!, optional: true });
      expected.push(...due.filter((entry) => !listed.some((other) => sameEntry(entry, other))));
      const isDue = (entry: Entry): boolean => due.some((other) => sameEntry(entry, other));
      this.#must(listed.every(isDue), "L2: lists what has not failed");
      return;
    }
    const ofTasks = (entries: readonly Entry[]): Entry[] => entries.filter(({ task }) => task !== undefined);
    this.#must(
      sameList(ofTasks(listed), ofTasks(due), sameEntry),
      `L2: lists ${names(listed)} instead of ${names(due)}`,
    );
    if (this.#ambiguous()) return;
    this.#must(listed.length === due.length, `L2: lists ${names(listed)} instead of ${names(due)}`);
    // Between the body's end and the group's hearing of it, tasks may end.
    const body = due.findIndex(({ task }) => task === undefined);
    const place = listed.findIndex(({ task }) => task === undefined);
    if (body < 0 || place < 0) return;
    const { turn } = due[body]!;
    const latest = due.length - 1 - due.filter((failed) => failed.turn > turn).length;
    this.#must(listed[place]!.error === due[body]!.error, "L2: lists another failure of the body");
    this.#must(place >= body && place <= latest, "L2: lists the body's failure out of order");
  }

  /** Every failure of a scope goes where its policy says. */
  #checkScope(expected: Entry[]): void {
    const { onError, spec, handle } = this.#owner;
    const due = this.#failed.filter(({ task }) => task !== undefined);
    const isTold = spec.onError === "function" || spec.onError === "throws";
    this.#must(
      sameList(onError, isTold ? due : [], (context, entry) => sameEntry(entry, context)),
      `L2: onError is told ${onError.length} times`,
    );
    this.#must(
      onError.every(({ scope }) => scope === handle!.name),
      "onError is told another scope",
    );
    if (spec.onError === "report" || spec.onError === "throws") expected.push(...due);
    if (!this.#hasFatal()) return;
    for (const failed of this.#failed) {
      if (failed.task === undefined) expected.push({ ...failed, optional: this.#ambiguous() });
    }
  }

  /** One fatal error is thrown, the first; the others go to the handler. */
  #checkFatal(expected: Entry[]): void {
    if (!this.#hasFatal()) return;
    const thrown = this.#owner.waits.flatMap(({ end }) => (end?.ok === false ? [end.error] : []));
    const first = this.#fatal.find(({ error }) => thrown.includes(error));
    if (first === undefined) {
      this.#must(false, "L5: throws none of its fatal errors");
      return;
    }
    this.#must(
      this.#fatal.every(({ turn }) => turn >= first.turn),
      "L5: throws a fatal error that was not the first",
    );
    expected.push(...this.#fatal.filter((failed) => failed !== first));
    if (this.#isGroup) return;
    // Whoever awaits a failed task and fails with its error has failed too: a scope may say so, or not.
    for (const { task } of this.#owner.ends) {
      const { error, status } = task!;
      if (status !== "failed" || !(error instanceof FatalError)) continue;
      const isTold = this.#fatal.some((failed) => failed.task === task);
      if (!isTold) expected.push({ error, task: task!, optional: true });
      else if (error !== first.error) expected.push({ error, task: undefined, optional: true });
    }
  }

  #hasFatal(): boolean {
    return this.#fatal.length > 0;
  }

  /** This group's own errors, as told to whoever waited. */
  #errors(): Set<TaskGroupError> {
    const title = `unhandled errors in TaskGroup ${JSON.stringify(this.#name)} (`;
    // Of two, the later one is that of `run`, whatever is heard of first.
    const place = ({ via, seq }: Wait): number => (via === "run" ? Infinity : seq);
    const waits = [...this.#owner.waits].sort((one, other) => place(one) - place(other));
    return new Set(
      waits.flatMap(({ end }) =>
        end?.ok === false && end.error instanceof TaskGroupError && end.error.message.startsWith(title)
          ? [end.error]
          : [],
      ),
    );
  }

  /** Everybody who waits at one moment is told the same object. */
  #checkOneObject(): void {
    const { waits, timeout } = this.#owner;
    const timeouts = new Set(
      waits.flatMap(({ end, gaveUp }) =>
        end?.ok === false && !gaveUp && isTimeout(end.error, timeout) && !this.#isFailure(end.error)
          ? [end.error]
          : [],
      ),
    );
    this.#must(timeouts.size <= 1, "L5: tells two timeout errors");
    const telling = this.#closedFirst === "no" ? 1 : 2;
    this.#must(this.#errors().size <= telling, `L5: tells ${this.#errors().size} group errors`);
  }

  #isFailure(error: unknown): boolean {
    return this.#bodyFailure?.error === error;
  }

  // L5: what an owner ends in

  #checkWait(wait: Wait): void {
    const { end, gaveUp, via, calledClosed } = wait;
    if (end === undefined || gaveUp) return;
    const verdicts = calledClosed
      ? [resolves(undefined)]
      : via === "run"
        ? this.#ofRun(wait)
        : this.#ofWait(wait);
    this.#must(
      verdicts.some(({ fits }) => fits(end)),
      `L5: ${via} ${end.ok ? `resolves with ${String(end.value)}` : `rejects with ${String(end.error)}`} instead of: ${verdicts.map(({ says }) => says).join(" | ")}`,
    );
  }

  /** `join` and `stop`: without the body, unless that had failed before. */
  #ofWait(wait: Wait): Verdict[] {
    const { body } = this.#owner;
    const without = this.#byRank(wait, false, resolves(undefined));
    if (body === undefined || body.closed) return without;
    const including = this.#byRank(wait, true, resolves(undefined));
    return body.turn < wait.turn && !this.#ambiguous() ? including : [...including, ...without];
  }

  #ofRun(wait: Wait): Verdict[] {
    const { handle, body, spec, timeout, outer } = this.#owner;
    if (handle === undefined || body === undefined) {
      // The body was never called.
      if (wait.outerAtCall && !spec.shield) return [rejects(outer!.error)];
      return timeout === 0 ? [this.#timedOut()] : [];
    }
    const verdicts: Verdict[] = [];
    const value = body.ok ? resolves(body.value) : rejects(handle.token.error);
    if (this.#closedFirst !== "yes") {
      verdicts.push(...this.#byRank(wait, true, value));
      if (this.#ambiguous()) verdicts.push(...this.#byRank(wait, false, value));
    }
    if (this.#closedFirst !== "no") verdicts.push(...this.#ofLateBody(wait, value));
    return verdicts;
  }

  /** Others were told while the body still ran: it is not told again. */
  #ofLateBody(wait: Wait, value: Verdict): Verdict[] {
    const { handle, body } = this.#owner;
    const interrupted = rejects(handle!.token.error);
    const told = [...this.#told].map((error) => this.#passedOn(error));
    if (this.#hasFatal()) return this.#byRank(wait, true, interrupted);
    if (this.#bodyFailure !== undefined) {
      if (this.#ambiguous())
        return [interrupted, ...told, rejects(this.#bodyFailure.error), this.#group(true)];
      return this.#isGroup ? [this.#group(true)] : this.#bare(this.#bodyFailure.error);
    }
    const lower = this.#lower(wait, value);
    if (body?.ok !== false) return [...told, ...lower];
    return this.#told.has(body.error) ? [this.#passedOn(body.error)] : [...told, ...lower, interrupted];
  }

  /** Fatal error, errors, and then the lower ranks. */
  #byRank(wait: Wait, withBody: boolean, value: Verdict): Verdict[] {
    const counts = ({ task, shared }: Failed): boolean => withBody || task !== undefined || shared === true;
    const body = withBody ? this.#bodyFailure : undefined;
    const fatal = this.#fatal.filter(counts);
    if (fatal.length > 0) return fatal.map(({ error }) => rejects(error));
    if (this.#isGroup && this.#failed.some(counts)) return [this.#group(false)];
    if (body === undefined) return this.#lower(wait, value);
    // Who joins a scope whose body fails meanwhile may be told as well.
    return [...this.#bare(body.error), ...(wait.via === "run" ? [] : this.#lower(wait, value))];
  }

  #lower(wait: Wait, value: Verdict): Verdict[] {
    const { outer, body, outerAtLastEnd } = this.#owner;
    if (wait.cancelled?.source === "timeout" && !this.#isInherited(wait.cancelled))
      return [this.#timedOut(wait.via)];
    if (wait.via === "stop" || wait.via === "limited-stop" || !wait.outerAtEnd) return [value];
    const must = wait.outerAtCall || outerAtLastEnd || (wait.via === "run" && body?.outer === true);
    // Cancelled between the last end and the telling of it: taken either way.
    return must ? [rejects(outer!.error)] : [rejects(outer!.error), value];
  }

  /** Whether the owner was cancelled from outside. */
  #isInherited(error: CancelledError): boolean {
    const { outer, spec } = this.#owner;
    return !spec.shield && outer?.error === error;
  }

  #timedOut(via = "run"): Verdict {
    const { spec, timeout } = this.#owner;
    if (via === "run" && spec.form === "moveOnAfter") return resolves(undefined);
    return {
      says: `rejects with a timeout of ${String(timeout)} ms`,
      fits: (end) => !end.ok && isTimeout(end.error, timeout),
    };
  }

  /** The body's own error. The scope's timeout, thrown on by the body as it is, may as well be what it always was. */
  #bare(error: unknown): Verdict[] {
    const { handle, spec } = this.#owner;
    const isOwn = spec.form === "moveOnAfter" && error === handle!.token.error?.reason;
    return isOwn ? [rejects(error), resolves(undefined)] : [rejects(error)];
  }

  /** What a `join` in the body has thrown comes out of `run`; but `moveOnAfter` swallows its own timeout. */
  #passedOn(error: unknown): Verdict {
    const { spec, handle, timeout } = this.#owner;
    const isOwn = isTimeout(error, timeout) && handle!.token.error?.source === "timeout";
    return spec.form === "moveOnAfter" && isOwn ? resolves(undefined) : rejects(error);
  }

  #group(bodyAlone: boolean): Verdict {
    return {
      says: "rejects with a group error",
      fits: (end) => {
        if (end.ok || !(end.error instanceof TaskGroupError) || !this.#errors().has(end.error)) return false;
        return !bodyAlone || sameList(end.error.errors, [this.#bodyFailure!.error]);
      },
    };
  }

  /** The body threw a cancellation just before its owner was cancelled by something else: it may count either way. */
  #ambiguous(): boolean {
    const { body, firstError } = this.#owner;
    if (this.#bodyFailure === undefined) return false;
    if (body?.ok !== false || body.cancelled || firstError === undefined) return false;
    if (firstError.seq < body.seq || firstError.turn > body.turn) return false;
    const { error } = body;
    if (!isCancellationOf(this.#owner, firstError.error, error)) return false;
    const { source, reason } = firstError.error;
    const isReason = (other: unknown): boolean =>
      other === reason || (other instanceof Error && other.message === reason);
    // Its own failure is what cancelled its owner; unless a task's was, which says the same.
    const byItself = source === "sibling" && !this.#isInherited(firstError.error) && isReason(error);
    const byTask = this.#failed.some(
      (failed) => failed.task !== undefined && failed.turn === body.turn && isReason(failed.error),
    );
    return !byItself || byTask;
  }
}

/** Who has ended first is the body; but whether its owner heard of that first, nobody can tell. */
function isShared({ error, task, turn }: Failed, all: readonly Failed[]): boolean {
  return (
    task === undefined &&
    all.some((other) => other.task !== undefined && other.error === error && other.turn === turn)
  );
}

function resolves(value: unknown): Verdict {
  return {
    says: `resolves with ${String(value)}`,
    fits: (end) => end.ok && end.value === value,
  };
}

function rejects(error: unknown): Verdict {
  return {
    says: `rejects with ${String(error)}`,
    fits: (end) => !end.ok && end.error === error,
  };
}

function isTimeout(error: unknown, timeout: number | undefined): boolean {
  return error instanceof TimeoutError && error.timeout === timeout;
}

function sameEntry(
  one: Entry,
  other: { readonly error: unknown; readonly task?: Task<unknown> | undefined },
): boolean {
  return one.error === other.error && one.task === other.task;
}

function sameList<A, B>(
  one: readonly A[],
  other: readonly B[],
  same: (a: A, b: B) => boolean = (a, b) => (a as unknown) === b,
): boolean {
  return one.length === other.length && one.every((item, index) => same(item, other[index]!));
}

function names(entries: readonly Entry[]): string {
  return `[${entries.map(({ error }) => String(error)).join(", ")}]`;
}
