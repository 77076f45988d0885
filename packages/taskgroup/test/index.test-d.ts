import type {
  CancellationToken,
  ScopeOptions,
  StopOptions,
  Task,
  TaskScope,
  TaskScopeOptions,
  TaskSpawner,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { describe, expectTypeOf, it } from "vitest";

declare const group: TaskGroup;
declare const signal: AbortSignal;

describe("TaskGroup", () => {
  it("run infers what the body returns", () => {
    expectTypeOf(TaskGroup.run(() => 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(TaskGroup.run(async () => "text")).toEqualTypeOf<Promise<string>>();
    expectTypeOf(TaskGroup.run((own) => own.spawn(() => 1))).toEqualTypeOf<Promise<number>>();
    expectTypeOf(TaskGroup.run(async () => {})).toEqualTypeOf<Promise<void>>();
    expectTypeOf(
      TaskGroup.run(async (own) => {
        expectTypeOf(own).toEqualTypeOf<TaskGroup>();
        const user = own.spawn(async () => ({ id: 1 }));
        const orders = own.spawn(async () => ["order"]);
        return [await user, await orders] as const;
      }),
    ).toEqualTypeOf<Promise<readonly [{ id: number }, string[]]>>();
    // @ts-expect-error a body first
    void TaskGroup.run({ name: "ingest" });
  });

  it("map infers items and results", () => {
    expectTypeOf(TaskGroup.map(["a"], (text) => text.length)).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(TaskGroup.map(new Set([1]), async (value) => String(value))).toEqualTypeOf<
      Promise<string[]>
    >();
    const lines = async function* (): AsyncGenerator<string> {
      yield "line";
    };
    expectTypeOf(
      TaskGroup.map(lines(), (line, token, index) => {
        expectTypeOf(line).toBeString();
        expectTypeOf(token).toEqualTypeOf<CancellationToken>();
        expectTypeOf(index).toBeNumber();
        return group.spawn(() => index);
      }),
    ).toEqualTypeOf<Promise<number[]>>();
    void TaskGroup.map([1], (value) => value, { concurrency: 8, token: signal, timeout: 5, name: "pages" });
    // @ts-expect-error items are iterable
    void TaskGroup.map(5, (value) => value);
    // @ts-expect-error items first
    void TaskGroup.map((value: number) => value, [1]);
    // @ts-expect-error the function takes what is iterated over
    void TaskGroup.map([1], (value: string) => value);
  });

  it("takes the options of a scope, without those that are its own policy", () => {
    expectTypeOf<ConstructorParameters<typeof TaskGroup>>().toEqualTypeOf<
      [options?: ScopeOptions | undefined]
    >();
    expectTypeOf<Record<keyof ScopeOptions, undefined>>().toExtend<ScopeOptions>();
    new TaskGroup({ name: "ingest", token: signal, shield: true, timeout: 5, concurrency: 2 });
    // @ts-expect-error failures are collected
    new TaskGroup({ onError: "ignore" });
    // @ts-expect-error no such option
    void TaskGroup.run(() => 1, { signal });
  });

  it("spawns as every owner does", () => {
    expectTypeOf<TaskGroup>().toExtend<TaskSpawner>();
    expectTypeOf(group.spawn(async () => 1)).toEqualTypeOf<Task<number>>();
    expectTypeOf(group.spawn(() => group.spawn(() => "text"))).toEqualTypeOf<Task<string>>();
    group.spawn(
      (token) => {
        expectTypeOf(token).toEqualTypeOf<CancellationToken>();
      },
      { name: "reader" },
    );
    // @ts-expect-error a function first
    group.spawn(Promise.resolve(1));
  });

  it("tells of its state", () => {
    expectTypeOf(group.name).toBeString();
    expectTypeOf(group.token).toEqualTypeOf<CancellationToken>();
    expectTypeOf(group.state).toEqualTypeOf<"open" | "closing" | "closed">();
    expectTypeOf(group.cancelRequested).toBeBoolean();
    expectTypeOf(group.size).toBeNumber();
    expectTypeOf(group.tasks).toEqualTypeOf<ReadonlySet<Task<unknown>>>();
    expectTypeOf(group.cancel("reason")).toBeVoid();
    expectTypeOf(group.join()).toEqualTypeOf<Promise<void>>();
    expectTypeOf(group.stop).parameters.toEqualTypeOf<[options?: StopOptions | undefined]>();
    // @ts-expect-error the size is the group's
    group.size = 0;
  });

  it("is disposed of asynchronously, is no promise, and no scope", () => {
    expectTypeOf<TaskGroup>().toExtend<AsyncDisposable>();
    expectTypeOf<TaskGroup>().not.toExtend<PromiseLike<unknown>>();
    expectTypeOf<TaskGroup>().not.toExtend<TaskScope>();
    expectTypeOf<TaskScopeOptions>().not.toEqualTypeOf<ScopeOptions>();
  });
});
