import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, vi } from "vitest";

// Vitest reports stray errors at the end of the run; this names the test that let them escape.
// A test that provokes one on purpose takes the listeners off and puts them back.
const strays: unknown[] = [];
const remember = (error: unknown): void => {
  strays.push(error);
};
process.on("unhandledRejection", remember);
process.on("uncaughtException", remember);

afterEach(async () => {
  vi.useRealTimers();
  // Node reports unhandled rejections after the microtasks have run.
  await nextTurn();
  const escaped = strays.splice(0);
  if (escaped.length > 0) throw new AggregateError(escaped, "the test left an error that nobody handled");
});
