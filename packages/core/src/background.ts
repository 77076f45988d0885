import { TaskScope } from "./task-scope.ts";
import type { Task } from "./task.ts";
import type { SpawnOptions, TaskFunction, TaskSpawner } from "./types.ts";

/** Opened by the first task, and never closed: it is what keeps the others reachable. */
let scope: TaskScope | undefined;

/**
 * Starts tasks that nobody owns: kept reachable until they are done, failures (a `FatalError` too: there is no scope for
 * it to leave) told to the process-wide handler. For fire-and-forget work; `@scope/guarded` adds a way to stop it.
 *
 * The counterpart of asyncio's loop as an owner of tasks, minus its weak references.
 */
export const backgroundSpawner: TaskSpawner = {
  spawn<T>(fn: TaskFunction<T>, options?: SpawnOptions): Task<T> {
    scope ??= new TaskScope({ name: "background", isFatal: () => false });
    return scope.spawn(fn, options);
  },
};
