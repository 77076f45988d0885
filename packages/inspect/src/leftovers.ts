/** For test suites: whether a test has left tasks behind. */
import { checkFunction } from "@scope/core";
import { inspect } from "./inspect.ts";
import type { Inspected, ScopeNode, Snapshot, TaskNode } from "./types.ts";

export interface TrackOptions {
  /** Which tasks may stay: those of a server that a whole file of tests shares. @default () => false */
  ignore?: ((task: TaskNode, scope: ScopeNode) => boolean) | undefined;
}

interface Tracking {
  readonly inspected: Inspected;
  ignore: NonNullable<TrackOptions["ignore"]>;
  /** Ids of the tasks that were told: once is enough. */
  readonly told: Set<string>;
}

let tracking: Tracking | undefined;

/** As they were when this was loaded: tests put their own in their place. */
const { setImmediate: nextTurn, setTimeout: later } = globalThis as {
  setImmediate?: (callback: () => void) => unknown;
  setTimeout: (callback: () => void, ms: number) => unknown;
};

/**
 * Begins to keep track of tasks, and of where they were spawned, for {@link expectNoTasksLeft}. Called again, it only takes the
 * new options.
 *
 * @throws TypeError if `ignore` is not a function.
 */
export function trackTasks(options: TrackOptions = {}): void {
  const { ignore = () => false } = options;
  checkFunction("ignore", ignore);
  tracking ??= { inspected: inspect({ sites: true }), ignore, told: new Set() };
  tracking.ignore = ignore;
}

/**
 * Rejects if tasks are left, and names them with where they were spawned; each is told once. It first gives what is ending a turn of
 * the event loop. Fit for `afterEach` of vitest, Jest and `node:test`, after {@link trackTasks}.
 *
 * @throws Error (as a rejection) that names the tasks that are left; or if nobody has called `trackTasks`.
 *
 * @example
 * ```ts
 * trackTasks();
 * afterEach(expectNoTasksLeft);
 * ```
 */
// No parameter: Jest would take it for a callback to wait for.
export async function expectNoTasksLeft(): Promise<void> {
  if (tracking === undefined) throw new Error("Call trackTasks() before the tests");
  const { inspected, ignore, told } = tracking;
  await new Promise<void>((resolve) => {
    if (nextTurn === undefined) later(resolve, 0);
    else nextTurn(resolve);
  });
  const left = tasksIn(await inspected.snapshot()).filter(
    ({ task, scope }) => !told.has(task.id) && !ignore(task, scope),
  );
  if (left.length === 0) return;
  for (const { task } of left) told.add(task.id);
  const one = left.length === 1;
  throw new Error(
    `${one ? "A task was" : `${left.length} tasks were`} left:\n${left.map(describe).join("\n")}`,
  );
}

interface Left {
  readonly task: TaskNode;
  readonly scope: ScopeNode;
}

function tasksIn(snapshot: Snapshot): Left[] {
  const left: Left[] = [];
  const scopes = [...snapshot.scopes];
  for (const scope of scopes) {
    for (const inner of scope.scopes) scopes.push(inner);
    for (const task of scope.tasks) {
      left.push({ task, scope });
      for (const inner of task.scopes) scopes.push(inner);
    }
  }
  return left;
}

function describe({ task, scope }: Left): string {
  const site = task.site?.split("\n", 3).map((frame) => `\n      at ${frame}`) ?? [];
  return `  - task "${task.name}" of ${scope.kind} "${scope.name}" (${task.status}), spawned${site.join("") || " where nobody looked"}`;
}
