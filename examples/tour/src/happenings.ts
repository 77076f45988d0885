/** What `observe` tells, as plain data, which another process can send. */
import {
  type CancelSource,
  type ScopeEvent,
  type Task,
  type TaskStatus,
  type TokenOwner,
  observe,
} from "@scope/core";

import { describe } from "./errors.ts";

/** Something that happened to a scope or to a task. */
export type Happening = {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Of the scope or the task. */
  readonly id: string;
} & (
  | { readonly type: "opened"; readonly name: string; readonly parent: string | undefined }
  | { readonly type: "closed" }
  | { readonly type: "spawned"; readonly name: string; readonly scope: string }
  | { readonly type: "started" }
  | { readonly type: "sleeping"; readonly ms: number }
  | { readonly type: "asked"; readonly source: CancelSource; readonly reason: string }
  | { readonly type: "ended"; readonly status: TaskStatus; readonly error: string | undefined }
);

/** Milliseconds since the epoch, from a clock that never goes back, and that is the same in all processes. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Passes on what happens in this process from now on, until the function it returns is called. */
export function watch(note: (happening: Happening) => void, clock: () => number = now): () => void {
  const ids = new WeakMap<TokenOwner, string>();
  let last = 0;
  const idOf = (owner: TokenOwner): string => {
    let id = ids.get(owner);
    if (id === undefined) ids.set(owner, (id = `${process.pid}.${++last}`));
    return id;
  };
  return observe((event) => {
    const happening = translate(event, idOf, clock());
    if (happening !== undefined) note(happening);
  });
}

function translate(
  event: ScopeEvent,
  idOf: (owner: TokenOwner) => string,
  at: number,
): Happening | undefined {
  switch (event.type) {
    case "scope-opened": {
      const { scope, parent } = event;
      return { type: "opened", at, id: idOf(scope), name: scope.name, parent: parent && idOf(parent) };
    }
    case "scope-closed":
      return { type: "closed", at, id: idOf(event.scope) };
    case "task-spawned":
      return { type: "spawned", at, id: idOf(event.task), name: event.task.name, scope: idOf(event.scope) };
    case "task-started":
      return { type: "started", at, id: idOf(event.task) };
    case "cancel-requested": {
      const { source, message } = event.error;
      return { type: "asked", at, id: idOf(event.owner), source, reason: message };
    }
    case "task-done":
      return {
        type: "ended",
        at,
        id: idOf(event.task),
        status: event.task.status,
        error: errorOf(event.task),
      };
    case "sleeping":
      if (event.owner === undefined) return undefined;
      // Infinity does not go through JSON.
      return { type: "sleeping", at, id: idOf(event.owner), ms: Math.min(event.ms, Number.MAX_SAFE_INTEGER) };
    case "task-suspended":
    case "awaited":
      return undefined;
  }
}

function errorOf({ status, error }: Task<unknown>): string | undefined {
  return status === "failed" ? describe(error) : undefined;
}
