// One job fails while another is busy; the busy one has things to put away, and that goes wrong too.
import { setTimeout as delay } from "node:timers/promises";
import { TaskGroupError } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

let running = 0;

async function show(title: string, attempt: () => Promise<unknown>): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    const told = error instanceof TaskGroupError ? error.leaves() : [error];
    const messages = told.map((one) => (one as Error).message).join(", ");
    console.log(`${title.padEnd(16)} told: ${messages}; still running: ${running}`);
  }
  while (running > 0) await delay(5);
}

// #region failure
async function job(ms: number, failure: string, signal?: AbortSignal): Promise<void> {
  running++;
  await delay(ms, undefined, { signal }).catch(() => undefined); // works, until it is aborted,
  await delay(20); // puts things away,
  running--;
  throw new Error(failure); // and fails
}

await show("Promise.all", () => Promise.all([job(10, "not found"), job(90, "disk full")]));

await show("AbortController", () => {
  const controller = new AbortController();
  const jobs = [job(10, "not found", controller.signal), job(90, "disk full", controller.signal)];
  return Promise.all(jobs).finally(() => controller.abort());
});

await show("TaskGroup", () =>
  TaskGroup.run((group) => {
    group.spawn((token) => job(10, "not found", token.signal));
    group.spawn((token) => job(90, "disk full", token.signal));
  }),
);
// #endregion

// Output:
// Promise.all      told: not found; still running: 1
// AbortController  told: not found; still running: 1
// TaskGroup        told: not found, disk full; still running: 0
