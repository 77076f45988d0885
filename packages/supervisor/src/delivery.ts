import { type Task, reportTaskError, wrongType } from "@scope/core";
import { Verdict } from "./verdict.ts";

/** For calls that hand their tasks' failures out themselves: the scope only keeps the body's. */
export class Delivery extends Verdict {
  failed(error: unknown, task: Task<unknown> | undefined): boolean {
    if (!task) this.error = error;
    return false;
  }
}

/** L2 for tasks whose failures nobody is going to be handed; but for the error that has just been thrown. */
export function reportUndelivered(
  tasks: Iterable<Task<unknown>>,
  thrown?: { readonly error: unknown },
): void {
  for (const task of tasks) {
    const { status, error } = task;
    if (status !== "failed" || (thrown !== undefined && thrown.error === error)) continue;
    reportTaskError({
      message: `Error in task "${task.name}"`,
      error,
      task,
    });
  }
}

/** The functions of an iterable that holds nothing else. */
export function toFunctions<F>(fns: Iterable<F>): F[] {
  if (!(Symbol.iterator in Object(fns))) throw wrongType("fns", "an iterable of functions", fns);
  const list = [...fns];
  list.forEach(checkMember);
  return list;
}

/** One member of `fns`; its name is made for the message only. */
export function checkMember(fn: unknown, index: number): void {
  if (typeof fn !== "function") throw wrongType(`fns[${index}]`, "a function", fn);
}
