import {
  type CancellationToken,
  type TaskErrorContext,
  backgroundSpawner,
  cancelAndWait,
  setTaskErrorHandler,
  sleep,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

// #region group
/** A group for one test: it fails if anything still runs when the test is over, and by then nothing does. */
function withGroup(test: (group: TaskGroup) => void | Promise<void>): Promise<void> {
  return TaskGroup.run(
    async (group) => {
      await test(group);
      const left = Array.from(group.tasks, String);
      if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`); // cancels them
    },
    { name: "test", timeout: 4_000 }, // less than the test runner's own: the message names the group
  );
}
// #endregion

// #region reports
const untaken: TaskErrorContext[] = [];

beforeEach(() => {
  const before = setTaskErrorHandler((context) => untaken.push(context));
  return () => {
    setTaskErrorHandler(before);
    expect(untaken.splice(0)).toEqual([]); // a failure in the background fails the test
  };
});
// #endregion

afterEach(() => {
  vi.useRealTimers();
});

async function poll(ask: () => void, token: CancellationToken): Promise<void> {
  for (;;) {
    await sleep(1_000, token);
    ask();
  }
}

// #region tests
describe("a poller", () => {
  it("asks every second, and leaves no timer behind", () =>
    withGroup(async (group) => {
      vi.useFakeTimers();
      const ask = vi.fn();
      const poller = group.spawn((token) => poll(ask, token));

      await vi.advanceTimersByTimeAsync(3_500);
      expect(ask).toHaveBeenCalledTimes(3);

      await cancelAndWait(poller);
      expect(vi.getTimerCount()).toBe(0);
    }));
});

describe("a test that forgets a task", () => {
  it("fails, and the task has ended all the same", async () => {
    const ended = vi.fn();
    const forgetful = withGroup((group) => {
      group.spawn((token) => sleep(Infinity, token).finally(ended), { name: "poller" });
    });
    await expect(forgetful).rejects.toThrow('left behind: Task "poller" (running)');
    expect(ended).toHaveBeenCalled();
  });
});
// #endregion

describe("a failure that nobody takes", () => {
  it("is told", async () => {
    await backgroundSpawner.spawn(() => Promise.reject(new Error("disk full"))).catch(() => undefined);
    expect(untaken.splice(0)).toMatchObject([{ error: { message: "disk full" } }]);
  });
});
