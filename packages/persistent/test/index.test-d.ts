import type { CancellationToken, SpawnOptions, StopOptions, Task, TaskSpawner, TokenLike } from "@scope/core";
import {
  type CompletedTasks,
  type EndPolicy,
  type PersistentSpawnOptions,
  PersistentTaskGroup,
  type PersistentTaskGroupOptions,
  type Service,
  ServiceBase,
  type ServiceBaseOptions,
  ServiceGroup,
  type ServiceGroupOptions,
} from "@scope/persistent";
import { describe, expectTypeOf, it } from "vitest";

declare const group: PersistentTaskGroup;
declare const service: Service;

class Clock extends ServiceBase {
  protected override async main(token: CancellationToken): Promise<void> {
    await token.race(Promise.resolve());
  }
}

describe("PersistentTaskGroup", () => {
  it("hands out tasks as they are", async () => {
    for await (const task of group.asCompleted({ timeout: 5 })) {
      expectTypeOf(task).toEqualTypeOf<Task<unknown>>();
      expectTypeOf(group.acknowledge(task)).toBeBoolean();
    }
    // TypeScript before version 7 remembers the first loop's items, and would take the second's for what the tasks come to.
    for await (const task of group.asCompleted()) expectTypeOf(task).toEqualTypeOf<Task<unknown>>();
    expectTypeOf(group.asCompleted()).toEqualTypeOf<CompletedTasks>();
    const step = await group.asCompleted().next();
    if (step.done !== true) expectTypeOf(step.value).toEqualTypeOf<Task<unknown>>();
    expectTypeOf<CompletedTasks>().toExtend<AsyncDisposable>();
    expectTypeOf<CompletedTasks>().toExtend<AsyncIterable<unknown>>();
    // @ts-expect-error milliseconds
    group.asCompleted({ timeout: "5" });
  });

  it("run infers what the body returns", () => {
    expectTypeOf(PersistentTaskGroup.run(() => 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(PersistentTaskGroup.run(async () => "text")).toEqualTypeOf<Promise<string>>();
    expectTypeOf(PersistentTaskGroup.run((own) => own.spawn(() => 1))).toEqualTypeOf<Promise<number>>();
    void PersistentTaskGroup.run((own) => {
      expectTypeOf(own).toEqualTypeOf<PersistentTaskGroup>();
    });
    // @ts-expect-error a body first
    void PersistentTaskGroup.run({ uniqueId: "x" });
  });

  it("takes its options", () => {
    expectTypeOf<PersistentTaskGroupOptions["token"]>().toEqualTypeOf<TokenLike | undefined>();
    expectTypeOf<PersistentTaskGroupOptions["spawner"]>().toEqualTypeOf<TaskSpawner | undefined>();
    new PersistentTaskGroup({ uniqueId: "x", spawner: group, token: group.token.signal, retain: "failures" });
    // @ts-expect-error all or failures
    new PersistentTaskGroup({ retain: "successes" });
    // @ts-expect-error what a service hands in is no business of others
    new PersistentTaskGroup(undefined, {});
  });

  it("spawns as every owner does, and is disposed of asynchronously", () => {
    expectTypeOf<PersistentTaskGroup>().toExtend<TaskSpawner>();
    expectTypeOf<PersistentTaskGroup>().toExtend<AsyncDisposable>();
    expectTypeOf<PersistentTaskGroup>().not.toExtend<PromiseLike<unknown>>();
    expectTypeOf<PersistentSpawnOptions>().toExtend<SpawnOptions>();
    expectTypeOf(group.spawn(async () => 1, { name: "one", logError: false })).toEqualTypeOf<Task<number>>();
    group.spawn((token) => {
      expectTypeOf(token).toEqualTypeOf<CancellationToken>();
    });
    expectTypeOf(group.stop).parameters.toEqualTypeOf<[options?: StopOptions | undefined]>();
    expectTypeOf(group.tasks).toEqualTypeOf<ReadonlySet<Task<unknown>>>();
    // @ts-expect-error it can only be read
    group.uniqueId = "other";
  });
});

describe("services", () => {
  it("are what has the members", () => {
    expectTypeOf<Clock>().toExtend<Service>();
    expectTypeOf<ServiceGroup>().toExtend<Service>();
    expectTypeOf<ServiceGroup>().toExtend<ServiceBase>();
    expectTypeOf<Service["ready"]>().toEqualTypeOf<(() => Promise<void>) | undefined>();
    expectTypeOf(new Clock({ uniqueId: "x", retain: "all" }).taskGroup).toEqualTypeOf<PersistentTaskGroup>();
    expectTypeOf<ServiceBaseOptions["retain"]>().toEqualTypeOf<"all" | "failures" | undefined>();
    // @ts-expect-error it is its own to call
    void new Clock().main(group.token);
    // @ts-expect-error something is to be done
    new ServiceBase();
  });

  it("start in a group, whose policy is a function", () => {
    expectTypeOf<EndPolicy>().toEqualTypeOf<"stop" | "ignore" | "restart">();
    new ServiceGroup([service, new Clock()], {
      startTimeout: 5,
      stopTimeout: 5,
      onEnd: () => "restart",
      restartDelay: 5,
    });
    new ServiceGroup(new Set([service]), {
      onEnd: (ended) => {
        expectTypeOf(ended).toEqualTypeOf<Service>();
        return "ignore";
      },
    });
    expectTypeOf<ServiceGroupOptions["stopTimeout"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf(new ServiceGroup([]).ready()).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error no service at all
    new ServiceGroup([group]);
    // @ts-expect-error no such policy
    new ServiceGroup([], { onEnd: () => "retry" });
  });
});
