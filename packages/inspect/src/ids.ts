/** Numbers for scopes and tasks, unique in the process even where several copies of core live in it. */
import { Task } from "@scope/core";

/** Those of tasks of other copies begin here. */
export const FOREIGN = 2 ** 40;

const foreign = /* @__PURE__ */ new WeakMap<Task<unknown>, number>();
let lastForeign = FOREIGN;

/** The number of a task: of this copy of core its own id, so that nothing has to be kept. */
export function numberOf(task: Task<unknown>): number {
  return task.constructor === Task ? task.id : foreignNumber(task);
}

function foreignNumber(task: Task<unknown>): number {
  let number = foreign.get(task);
  if (number === undefined) foreign.set(task, (number = ++lastForeign));
  return number;
}

/** "t17" */
export function taskId(number: number): string {
  return number < FOREIGN ? `t${number}` : `tx${number - FOREIGN}`;
}

/** "s3" */
export function scopeId(number: number): string {
  return `s${number}`;
}
