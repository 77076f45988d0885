import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from "vitest";
import { Inventory, turn } from "./leftovers.ts";

const { process } = globalThis as { process?: Partial<NodeJS.Process> };

// Vitest reports stray errors at the end of the run; this names the test that let them escape.
// A test that provokes one on purpose takes the listeners off and puts them back.
const strays: unknown[] = [];
const remember = (error: unknown): void => {
  strays.push(error);
};
process?.on?.("unhandledRejection", remember);
process?.on?.("uncaughtException", remember);

/** Fails with what has escaped. */
async function expectNoStrays(who: string): Promise<void> {
  // Node reports unhandled rejections after the microtasks have run.
  await turn();
  const escaped = strays.splice(0);
  if (escaped.length === 0) return;
  const message = `${who} left errors that nobody handled: ${escaped.map(String).join(", ")}`;
  throw new Error(message, { cause: escaped[0] });
}

let inventory: Inventory;

beforeAll(() => {
  inventory = new Inventory();
});

beforeEach(({ signal }) => {
  inventory.except(signal);
});

afterEach(async () => {
  const timers = vi.isFakeTimers() ? vi.getTimerCount() : 0;
  vi.useRealTimers();
  await expectNoStrays("the test");
  if (timers > 0) throw new Error(`the test left ${timers} timers on its clock`);
});

// The first of all `afterAll` hooks, so the last one to run.
afterAll(async () => {
  const file = expect.getState().testPath ?? "the file";
  const left = await inventory.leftovers({ clients: file.includes("/examples/") });
  await expectNoStrays(file);
  if (left.length > 0 && process?.env?.["LEFTOVERS"] !== "unchecked")
    throw new Error(`${file} left behind:\n  ${left.join("\n  ")}`);
});
