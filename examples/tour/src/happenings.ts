/** What `observe` tells, as plain data, which another process can send. */
import { type CancelSource, type Task, type TaskStatus, type TokenOwner, observe } from "@scope/core";

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
  const told = (owner: TokenOwner): { at: number; id: string } => ({ at: clock(), id: idOf(owner) });
  return observe({
    scopeOpened(scope, parent) {
      note({ type: "opened", ...told(scope), name: scope.name, parent: parent && idOf(parent) });
    },
    scopeClosed(scope) {
      note({ type: "closed", ...told(scope) });
    },
    taskSpawned(task, scope) {
      note({ type: "spawned", ...told(task), name: task.name, scope: idOf(scope) });
    },
    taskStarted(task) {
      note({ type: "started", ...told(task) });
    },
    taskDone(task) {
      note({ type: "ended", ...told(task), status: task.status, error: errorOf(task) });
    },
    cancelRequested(owner, { source, message }) {
      note({ type: "asked", ...told(owner), source, reason: message });
    },
    sleeping(owner, ms) {
      // Infinity does not go through JSON.
      if (owner) note({ type: "sleeping", ...told(owner), ms: Math.min(ms, Number.MAX_SAFE_INTEGER) });
    },
  });
}

function errorOf({ status, error }: Task<unknown>): string | undefined {
  return status === "failed" ? describe(error) : undefined;
}
