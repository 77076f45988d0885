/** What came up in a run: properties that never meet a situation say nothing about it. */
import { CancelledError, FatalError, TaskGroupError, TimeoutError } from "@scope/core";
import { isRun } from "./world.ts";
import type { OwnerRecord, TaskRecord, Wait, World } from "./world.ts";

const ofTasks: Record<string, (record: TaskRecord) => boolean> = {
  "a task succeeds": ({ task }) => task!.status === "succeeded",
  "a task fails": ({ task }) => task!.status === "failed",
  "a task is cancelled": ({ task }) => task!.status === "cancelled",
  "a task is cancelled alone": ({ task, owner }) =>
    task!.status === "cancelled" && task!.error !== owner.handle!.token.error,
  "a task is cancelled before its turn": ({ called }) => !called,
  "a task returns after its cancellation": ({ task, settled }) =>
    settled?.ok === true && task!.cancelRequested,
  "a task fails after its cancellation": ({ task }) => task!.status === "failed" && task!.cancelRequested,
  "somebody else's cancellation is a failure": ({ task }) =>
    task!.status === "failed" && isAbort(task!.error),
  "a signal's reason is a cancellation": ({ task, settled }) =>
    task!.status === "cancelled" && settled?.ok === false && (settled.error as Error).name !== "AbortError",
};

const ofOwners: Record<string, (owner: OwnerRecord) => boolean> = {
  "two tasks of a group fail": (owner) => owner.spec.type === "TaskGroup" && errors(owner).length > 1,
  "a group lists one object once": (owner) => {
    const failed = owner.ends.filter(({ task }) => task!.status === "failed");
    return owner.spec.type === "TaskGroup" && failed.length > new Set(errors(owner)).size;
  },
  "a group's body fails": ({ body, spec }) =>
    spec.type === "TaskGroup" && body?.ok === false && !body.cancelled,
  "a scope's body fails": ({ body, spec }) =>
    spec.type === "TaskScope" && body?.ok === false && !body.cancelled,
  "a group's errors are nested": ({ waits }) =>
    rejections(waits).some(
      (error) =>
        error instanceof TaskGroupError && error.errors.some((inner) => inner instanceof TaskGroupError),
    ),
  "a fatal error outranks others": (owner) =>
    errors(owner).length > 1 && errors(owner).some((error) => error instanceof FatalError),
  "a deadline passes": ({ waits, timeout }) =>
    rejections(waits).some((error) => error instanceof TimeoutError && error.timeout === timeout),
  "moveOnAfter moves on": ({ waits, spec }) =>
    spec.form === "moveOnAfter" && waits.some(({ end }) => end?.ok === true && end.value === undefined),
  "errors outrank a deadline": (owner) =>
    owner.firstError?.error.source === "timeout" && rejections(owner.waits).some(isGroupError),
  "errors outrank an outer cancellation": (owner) =>
    owner.outer?.cancelRequested === true && rejections(owner.waits).some(isGroupError),
  "an outer cancellation is thrown": ({ waits, outer }) =>
    outer !== undefined && rejections(waits).some((error) => error === outer.error),
  "an outer cancellation interrupts nothing behind a shield": ({ waits, outer, spec, handle }) =>
    spec.shield &&
    handle?.cancelRequested === false &&
    rejections(waits).some((error) => error instanceof CancelledError && error === outer?.error),
  "an AbortSignal cancels": ({ firstError }) => firstError?.error.source === "signal",
  "a body is never called": (owner) => isRun(owner) && owner.handle === undefined,
  "a body returns after its cancellation": ({ body, handle }) => body?.ok === true && handle!.cancelRequested,
  "two wait at one moment": ({ waits }) =>
    waits.some(
      ({ end, calledClosed, via }) =>
        end?.ok === false &&
        !calledClosed &&
        waits.some((other) => other.via !== via && other.end?.ok === false && other.end.error === end.error),
    ),
  "somebody joins late": ({ waits }) => waits.some(({ calledClosed }) => calledClosed),
  "an owner closes before its body has ended": ({ body }) => body?.closed === true,
  "a stop gives up": ({ waits }) => waits.some(({ gaveUp }) => gaveUp),
  "a limit delays a task": ({ tasks }) => tasks.some(({ delayed }) => delayed),
  "a spawn is refused": ({ refused }) => refused > 0,
  "a task is spawned while its owner closes": ({ late }) => late > 0,
};

const ofRuns: Record<string, (world: World) => boolean> = {
  "a callback throws": ({ callbackErrors }) => callbackErrors.length > 0,
  "ten tasks run": ({ owners }) => owners.reduce((sum, { tasks }) => sum + tasks.length, 0) >= 10,
  "three owners are nested": ({ owners }) => owners.some(({ depth }) => depth >= 3),
};

export class Situations {
  /** How many runs have met each. */
  readonly met = new Map<string, number>();

  constructor() {
    for (const names of [ofTasks, ofOwners, ofRuns])
      for (const name of Object.keys(names)) this.met.set(name, 0);
  }

  note(world: World): void {
    const tasks = world.owners.flatMap((owner) => owner.tasks);
    for (const [name, meets] of Object.entries(ofTasks)) this.#count(name, tasks.some(meets));
    for (const [name, meets] of Object.entries(ofOwners)) this.#count(name, world.owners.some(meets));
    for (const [name, meets] of Object.entries(ofRuns)) this.#count(name, meets(world));
  }

  #count(name: string, met: boolean): void {
    if (met) this.met.set(name, this.met.get(name)! + 1);
  }
}

function errors({ ends }: OwnerRecord): unknown[] {
  return ends.flatMap(({ task }) => (task!.status === "failed" ? [task!.error] : []));
}

function rejections(waits: readonly Wait[]): unknown[] {
  return waits.flatMap(({ end, gaveUp }) => (end?.ok === false && !gaveUp ? [end.error] : []));
}

function isGroupError(error: unknown): boolean {
  return error instanceof TaskGroupError;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
