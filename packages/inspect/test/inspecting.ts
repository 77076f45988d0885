/** One inspector per test, and its tree without what differs from run to run. */
import {
  type Inspected,
  type InspectOptions,
  type ScopeNode,
  type Snapshot,
  type TaskNode,
  formatTree,
  inspect,
} from "@scope/inspect";
import { onTestFinished } from "vitest";

export function inspecting(options?: InspectOptions): Inspected {
  const inspected = inspect(options);
  onTestFinished(() => inspected[Symbol.asyncDispose]());
  return inspected;
}

/** The lines of the tree, below the first, without ages. */
export function tree(snapshot: Snapshot, options?: Parameters<typeof formatTree>[1]): string[] {
  return formatTree(snapshot, options)
    .split("\n")
    .slice(1)
    .map((line) => line.replace(/ (?:\d+ (?:d|h|min) )?\d+(?:\.\d)? (?:ms|s|min|h)\b/g, " AGE"));
}

export interface Found {
  readonly scopes: readonly ScopeNode[];
  readonly tasks: readonly TaskNode[];
}

/** All scopes and tasks of a snapshot, however deep. */
export function everything(snapshot: Snapshot): Found {
  const scopes = [...snapshot.scopes];
  const tasks: TaskNode[] = [];
  for (const scope of scopes) {
    scopes.push(...scope.scopes);
    for (const task of scope.tasks) {
      tasks.push(task);
      scopes.push(...task.scopes);
    }
  }
  return { scopes, tasks };
}

export function task(snapshot: Snapshot, name: string): TaskNode {
  const found = everything(snapshot).tasks.find((one) => one.name === name);
  if (found === undefined)
    throw new Error(
      `no task "${name}" among ${everything(snapshot)
        .tasks.map((one) => one.name)
        .join()}`,
    );
  return found;
}
