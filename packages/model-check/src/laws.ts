/**
 * What must hold after every run of every program, worked out from what was seen. Laws that can be broken for a moment only
 * (L1, L6, L8) are checked by the world as it goes.
 */
import {
  CancellationToken,
  type CancelledError,
  TaskGroupError,
  TimeoutError,
  isCancellation,
} from "@scope/core";
import type { Clock } from "@scope/test-utils/clock";
import { type OwnerRecord, type Wait, type Work, type World, leavesOf } from "./world.ts";

export function checkLaws(world: World, clock: Clock): void {
  for (const wait of world.waits) if (wait.settled === undefined) world.violate(`${wait.what} never settles`);
  for (const { name, begun, ended } of world.works) {
    if (begun !== undefined && ended === undefined) world.violate(`${name} never ends`);
  }
  if (clock.armed > 0) world.violate(`L7: ${clock.armed} timers are left`);
  for (const work of world.works) if (work.task !== undefined) checkTask(world, work);
  for (const record of world.records) checkOwner(world, record);
  checkReports(world);
}

/** L4, and one telling of every end. */
function checkTask(world: World, { name, task, begun, threw, error, told, askedWith }: Work): void {
  const { status, token } = task!;
  if (!task!.done) {
    world.violate(`${name} is ${status} in the end`);
    return;
  }
  if (told !== 1) world.violate(`onDone of ${name} was called ${told} times`);
  const own = threw && isCancellation(error) && token.cancelRequested;
  const expected = begun === undefined || own ? "cancelled" : threw ? "failed" : "succeeded";
  if (status !== expected) world.violate(`L4: ${name} has ${status}, not ${expected}`);
  if (begun === undefined && !token.cancelRequested) world.violate(`${name} was never called, nor cancelled`);
  if (askedWith !== undefined && askedWith !== token.error) {
    world.violate(`L3: ${name} was asked with another error than its token has`);
  }
  if (status === "cancelled" && task!.error !== token.error) world.violate(`L3: ${name} has another error`);
  if (status === "failed" && task!.error !== error) world.violate(`L4: ${name} failed with another error`);
}

function checkOwner(world: World, record: OwnerRecord): void {
  const { name, owner, waits } = record;
  if (waits.length === 0) return;
  if (owner.state !== "closed") world.violate(`${name} is ${owner.state} in the end`);
  if (owner.size !== 0 || owner.tasks.size !== 0)
    world.violate(`L7: ${name} has size ${owner.size} in the end`);
  // Several waits, or a body that waits itself: who is told what is for the program to say.
  const [wait] = waits;
  if (waits.length === 1 && wait?.how !== "call" && wait?.settled !== undefined)
    checkOutcome(world, record, wait);
  for (const { late, rejected, what } of waits)
    if (late && rejected) world.violate(`${what} tells a second time`);
}

/** L5. */
function checkOutcome(world: World, record: OwnerRecord, wait: Wait): void {
  const allowed = expectations(world, record, wait);
  if (allowed === undefined) return;
  const { rejected, outcome, what } = wait;
  if (allowed.some((one) => one.rejected === rejected && one.matches(outcome))) return;
  const wanted = allowed.map(({ text }) => text).join(", or ");
  world.violate(
    `L5: ${what} ${rejected ? "rejects" : "resolves"} with ${String(outcome)}, not with ${wanted}`,
  );
}

interface Expectation {
  readonly rejected: boolean;
  readonly text: string;
  matches(outcome: unknown): boolean;
}

function rejects(text: string, matches: (outcome: unknown) => boolean): Expectation {
  return { rejected: true, text, matches };
}

/** What an owner may end in; `undefined`: that is not for scopes and groups to say. */
function expectations(world: World, record: OwnerRecord, { how, late }: Wait): Expectation[] | undefined {
  const { kind, owner, options, works, body } = record;
  if (late || (kind !== "TaskScope" && kind !== "TaskGroup")) return undefined;
  const { token } = owner;
  const interrupted =
    body !== undefined &&
    (body.begun === undefined || (body.threw && isCancellation(body.error) && token.cancelRequested));
  const bodyFailed = body?.threw === true && !interrupted;
  const failed = works.filter(({ task }) => task?.status === "failed");
  const all = [...failed, ...(bodyFailed ? [body] : [])].sort((a, b) => a.ended! - b.ended!);

  const fatal = all.find(({ error }) => (error as Error | undefined)?.name === "FatalError");
  if (fatal !== undefined) return [rejects(String(fatal.error), (outcome) => outcome === fatal.error)];

  const errors = [
    ...new Set((kind === "TaskGroup" ? all : bodyFailed ? [body] : []).map(({ error }) => error)),
  ];
  if (kind === "TaskGroup" && errors.length > 0) {
    // A promise that somebody else settles is known a turn later than it is to the group.
    const vague = new Set(all.filter(({ exact }) => !exact).map(({ error }) => error));
    const exact = errors.filter((error) => !vague.has(error));
    const isThat = (outcome: unknown): boolean =>
      outcome instanceof TaskGroupError &&
      outcome.errors.length === errors.length &&
      errors.every((error) => outcome.errors.includes(error)) &&
      outcome.errors.filter((error) => !vague.has(error)).every((error, index) => error === exact[index]);
    return [rejects(`a group of ${errors.map(String).join(", ")}`, isThat)];
  }
  if (bodyFailed) return [rejects(String(body.error), (outcome) => outcome === body.error)];

  // Whether a cancellation came before or after the end depends on turns that are the owner's own affair.
  const last = Math.max(0, ...[...works, ...(body ? [body] : [])].map(({ ended = 0 }) => ended));
  const value: Expectation = { rejected: false, text: "a value", matches: () => true };
  const outer = outerOf(world, record);
  const cancelledByTime = token.error?.source === "timeout" && token.error !== outer?.error;
  if (cancelledByTime && options.timeout !== undefined) {
    const timedOut = rejects("TimeoutError", (outcome) => outcome instanceof TimeoutError);
    return (record.cancelled ?? 0) < last || works.length + (body ? 1 : 0) === 0
      ? [timedOut]
      : [timedOut, value];
  }
  if (outer !== undefined && how !== "stop") {
    const isThat = (outcome: unknown): boolean => outcome === outer.error;
    const fromOutside = rejects(String(outer.error), isThat);
    if (outer.at < last) return [fromOutside];
    const otherwise = interrupted ? rejects("its own cancellation", isCancellation) : value;
    return [fromOutside, otherwise];
  }
  if (interrupted) return [rejects(String(token.error), (outcome) => outcome === token.error)];
  return [value];
}

/** The cancellation from outside, and when it came, if that is known. */
function outerOf(world: World, { options, owner, cancelled }: OwnerRecord): Cancellation | undefined {
  if (options.token === undefined) return undefined;
  const { error } = CancellationToken.from(options.token);
  if (error === undefined) return undefined;
  const declared = world.outers.find(({ token }) => token === options.token);
  const at = declared?.at ?? (owner.token.error === error ? cancelled : undefined);
  return { error, at: at ?? Infinity };
}

interface Cancellation {
  readonly error: CancelledError;
  readonly at: number;
}

/** L2. */
function checkReports(world: World): void {
  const { thrown, reports, ignored, delivered, waits } = world;
  const outcomes = new Set(
    waits.filter(({ nested, rejected }) => rejected && !nested).map(({ outcome }) => outcome),
  );
  const told = [...reports, ...outcomes].flatMap(leavesOf);
  told.push(...delivered);
  for (const [error, by] of thrown) {
    const count = told.filter((one) => one === error).length;
    const expected = ignored.has(error) ? 0 : 1;
    if (count !== expected) world.violate(`L2: the error of ${by} was told ${count} times`);
  }
  for (const { name, task, error } of world.works) {
    if (task?.status !== "failed" || !isCancellation(error) || thrown.has(error)) continue;
    if (told.filter((one) => one === error).length !== 1)
      world.violate(`L4: the foreign cancellation of ${name} is lost`);
  }
  for (const error of reports) {
    const unknown = leavesOf(error).filter((leaf) => !thrown.has(leaf) && !world.expectedReports(leaf));
    for (const leaf of unknown) world.violate(`Reported, but not thrown here: ${String(leaf)}`);
  }
}
