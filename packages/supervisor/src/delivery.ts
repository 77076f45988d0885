import { type Task, checkFunction, reportTaskError, wrongType } from "@scope/core";
import { Verdict } from "./verdict.ts";

/** For calls that hand their tasks' failures out themselves: the scope only keeps the body's. */
export class Delivery extends Verdict {
  failed(error: unknown, task: Task<unknown> | undefined): boolean {
    if (task === undefined) this.error = error;
    return false;
  }
}

/** L2 for tasks whose failures nobody is going to be handed; but for the error that has just been thrown. */
export function reportUndelivered(
  tasks: Iterable<Task<unknown>>,
  thrown?: { readonly error: unknown },
): void {
  for (const task of tasks) {
    const { status, error, name } = task;
    if (status !== "failed" || (thrown !== undefined && thrown.error === error)) continue;
    reportTaskError({
      message: `Undelivered error in task "${name}"`,
      error,
      task,
    });
  }
}

/** The functions of an iterable that holds nothing else. */
export function toFunctions<F>(fns: Iterable<F>): F[] {
  if (!(Symbol.iterator in Object(fns))) throw wrongType("fns", "an iterable of functions", fns);
  const list = [...fns];
  for (const [index, fn] of list.entries()) checkFunction(`fns[${index}]`, fn);
  return list;
}
