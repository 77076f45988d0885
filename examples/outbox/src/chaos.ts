import type { TaskName } from "./arguments.ts";

/** Called once a round by each task; throws in the one that has a bug. */
export type Chaos = (task: TaskName) => void;

/** The task works for a while before its bug shows. */
export function plantBug(victim: TaskName | undefined): Chaos {
  const rounds = victim === "heartbeat" ? 1 : 20;
  let round = 0;
  return (task) => {
    if (task !== victim || ++round <= rounds) return;
    // What a bug looks like: a value that is not there.
    const orders = new Map<string, { total: number }>();
    (orders.get("order-0") as { total: number }).total += 1;
  };
}
