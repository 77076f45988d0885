// A user's test, in TypeScript and with imports, for Jest and for Vitest with its globals.
import { CancelledError, TaskGroupError, TaskScope, sleep } from "@scope/core";
import { ExitError, spawnGuarded } from "@scope/guarded";
import { PersistentTaskGroup } from "@scope/persistent";
import { Supervisor, gather } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";

declare const test: (name: string, fn: () => Promise<void>) => void;
declare const expect: (value: unknown) => {
  toBe(expected: unknown): void;
  toBeInstanceOf(expected: unknown): void;
  toEqual(expected: unknown): void;
};

const failure = new Error("no");

test("a group has a value, or an error", async () => {
  const sum: number = await TaskGroup.run(async (group) => {
    const task = group.spawn(async (token) => sleep(1, token).then(() => 2));
    return (await task) + 1;
  });
  expect(sum).toBe(3);
  const error: unknown = await TaskGroup.run((group) => {
    group.spawn(() => Promise.reject(failure));
  }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TaskGroupError);
  expect((error as TaskGroupError).errors).toEqual([failure]);
});

test("a cancellation is an abort", async () => {
  const controller = new AbortController();
  const run = TaskScope.run((scope) => sleep(60_000, scope.token), { token: controller.signal });
  controller.abort();
  const error: unknown = await run.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CancelledError);
  expect((error as CancelledError).name).toBe("AbortError");
});

test("the others work as well", async () => {
  const [settled] = await gather([() => 1]);
  expect(settled).toEqual({ status: "fulfilled", value: 1 });
  expect(await Supervisor.run((supervisor) => supervisor.spawn(() => "supervised"))).toBe("supervised");
  expect(await PersistentTaskGroup.run((group) => group.spawn(() => "persistent"))).toBe("persistent");
  const codes: number[] = [];
  const guarded = spawnGuarded(() => Promise.reject(new ExitError(78)), { exit: (code) => codes.push(code) });
  expect(await guarded.catch((caught: unknown) => caught)).toBeInstanceOf(ExitError);
  expect(codes).toEqual([78]);
});
