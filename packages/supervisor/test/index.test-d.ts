import type {
  CancellationToken,
  ScopeOptions,
  StopOptions,
  Task,
  TaskFunction,
  TaskScope,
  TaskScopeOptions,
  TaskSpawner,
} from "@scope/core";
import {
  type Backoff,
  type Child,
  type ChildContext,
  type ChildFunction,
  type ChildSpec,
  type RaceOptions,
  type RestartPolicy,
  type Strategy,
  type SupervisorEvent,
  type SupervisorOptions,
  RestartLimitError,
  Supervisor,
  asCompleted,
  gather,
  race,
} from "@scope/supervisor";
import { describe, expectTypeOf, it } from "vitest";

declare const supervisor: Supervisor;
declare const signal: AbortSignal;
declare const child: Child;

interface User {
  id: number;
}
declare function fetchUser(token: CancellationToken): Promise<User>;
declare function fetchNames(token: CancellationToken): string[];

describe("gather", () => {
  it("gives the tuple that Promise.allSettled gives of the same functions called", () => {
    const fns = [fetchUser, fetchNames, async () => 1, () => undefined] as const;
    type Returned = [Promise<User>, string[], Promise<number>, undefined];
    const settle = (returned: Returned) =>
      Promise.allSettled([
        returned[0],
        Promise.resolve(returned[1]),
        returned[2],
        Promise.resolve(returned[3]),
      ]);
    expectTypeOf(gather(fns)).toEqualTypeOf<ReturnType<typeof settle>>();
    expectTypeOf(settle).toBeFunction();
    expectTypeOf(gather([fetchUser, fetchNames])).toEqualTypeOf<
      Promise<[PromiseSettledResult<User>, PromiseSettledResult<string[]>]>
    >();
  });

  it("gives a tuple of an array literal, with the tokens inferred", async () => {
    const [user, count, name] = await gather([
      (token) => {
        expectTypeOf(token).toEqualTypeOf<CancellationToken>();
        return fetchUser(token);
      },
      () => Promise.resolve<number>(1),
      (): string => "Ada",
    ]);
    expectTypeOf(user).toEqualTypeOf<PromiseSettledResult<User>>();
    expectTypeOf(count).toEqualTypeOf<PromiseSettledResult<number>>();
    expectTypeOf(name).toEqualTypeOf<PromiseSettledResult<string>>();
    if (user.status === "fulfilled") expectTypeOf(user.value).toEqualTypeOf<User>();
    else expectTypeOf(user.reason).toBeAny();
  });

  it("gives an array of an array", () => {
    const fns: TaskFunction<User>[] = [];
    expectTypeOf(gather(fns)).toEqualTypeOf<Promise<PromiseSettledResult<User>[]>>();
    const readonly: readonly (() => Promise<number>)[] = [];
    expectTypeOf(gather(readonly)).toEqualTypeOf<Promise<PromiseSettledResult<number>[]>>();
    expectTypeOf(gather([])).toEqualTypeOf<Promise<[]>>();
    expectTypeOf(gather([1, 2].map((id) => async () => id))).toEqualTypeOf<
      Promise<PromiseSettledResult<number>[]>
    >();
  });

  it("awaits what a function returns, tasks included", () => {
    expectTypeOf(gather([() => supervisor.spawn(() => Promise.resolve<number>(1))])).toEqualTypeOf<
      Promise<[PromiseSettledResult<number>]>
    >();
  });

  it("takes the options of a scope and nothing else", () => {
    void gather([fetchUser], { token: signal, timeout: 5, concurrency: 2, name: "page", shield: true });
    expectTypeOf(gather).parameter(1).toEqualTypeOf<ScopeOptions | undefined>();
    // @ts-expect-error functions, not promises
    void gather([Promise.resolve(1)]);
    // @ts-expect-error an array of functions
    void gather(fetchUser);
    // @ts-expect-error failures are handed out
    void gather([fetchUser], { onError: "ignore" });
  });
});

describe("race", () => {
  it("infers the value", () => {
    expectTypeOf(race([fetchUser, fetchUser])).toEqualTypeOf<
      Promise<{ value: User; index: number; errors: unknown[] }>
    >();
    const dials = new Set<TaskFunction<string>>();
    expectTypeOf(race(dials).then(({ value }) => value)).toEqualTypeOf<Promise<string>>();
    expectTypeOf(race(["a"].map((url) => async () => url)).then(({ value }) => value)).toEqualTypeOf<
      Promise<string>
    >();
  });

  it("infers the union of different values, as Promise.race does", () => {
    const mixed = race([fetchUser, fetchNames, () => Promise.resolve<number>(1)]);
    expectTypeOf(mixed.then(({ value }) => value)).toEqualTypeOf<Promise<User | string[] | number>>();
  });

  it("takes its options", () => {
    expectTypeOf<RaceOptions>().toExtend<ScopeOptions>();
    void race([fetchUser], { stagger: 250, continueOnError: true, token: signal, timeout: 5 });
    // @ts-expect-error milliseconds
    void race([fetchUser], { stagger: "250" });
    // @ts-expect-error functions, not promises
    void race([Promise.resolve(1)]);
    // @ts-expect-error of a sync iterable only
    void race((async function* () {})());
  });
});

describe("asCompleted", () => {
  it("iterates over tasks of what the functions return", async () => {
    expectTypeOf(asCompleted([fetchUser])).toExtend<AsyncIterableIterator<Task<User>>>();
    for await (const task of asCompleted([fetchUser, fetchUser], { concurrency: 2 })) {
      expectTypeOf(task).toExtend<Task<User>>();
      expectTypeOf(task.result()).toEqualTypeOf<User>();
    }
    // TypeScript before version 7 remembers the first loop's items, and would take the second's for what the tasks come to.
    for await (const task of asCompleted([fetchUser])) expectTypeOf(task).toExtend<Task<User>>();
    const lines = async function* (): AsyncGenerator<TaskFunction<string>> {
      yield () => "line";
    };
    expectTypeOf(asCompleted(lines())).toExtend<AsyncIterableIterator<Task<string>>>();
  });

  it("iterates over tasks of the union of different values", () => {
    expectTypeOf(asCompleted([fetchUser, fetchNames])).toExtend<
      AsyncIterableIterator<Task<User | string[]>>
    >();
  });

  it("takes the options of a scope and nothing else", () => {
    void asCompleted([fetchUser], { token: signal, timeout: 5, concurrency: 2, name: "pages" });
    // @ts-expect-error failures are handed out
    void asCompleted([fetchUser], { onError: "ignore" });
    // @ts-expect-error functions, not promises
    void asCompleted([Promise.resolve(1)]);
    // @ts-expect-error an iterable of functions
    void asCompleted(fetchUser);
  });
});

describe("Supervisor", () => {
  it("run infers what the body returns", () => {
    expectTypeOf(Supervisor.run(() => 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(Supervisor.run(async () => "text")).toEqualTypeOf<Promise<string>>();
    expectTypeOf(Supervisor.run((own) => own.spawn(() => 1))).toEqualTypeOf<Promise<number>>();
    void Supervisor.run((own) => {
      expectTypeOf(own).toEqualTypeOf<Supervisor>();
    });
    // @ts-expect-error a body first
    void Supervisor.run({ name: "server" });
  });

  it("takes the options of a scope, and its own", () => {
    expectTypeOf<SupervisorOptions>().toExtend<TaskScopeOptions>();
    expectTypeOf<Strategy>().toEqualTypeOf<"one-for-one" | "one-for-all" | "rest-for-one">();
    new Supervisor({ strategy: "rest-for-one", maxRestarts: 3, withinMs: 5000, onError: "ignore" });
    // @ts-expect-error no such strategy
    new Supervisor({ strategy: "simple-one-for-one" });
  });

  it("spawns as every owner does, and is disposed of asynchronously", () => {
    expectTypeOf<Supervisor>().toExtend<TaskSpawner>();
    expectTypeOf<Supervisor>().toExtend<AsyncDisposable>();
    expectTypeOf<Supervisor>().not.toExtend<PromiseLike<unknown>>();
    expectTypeOf<Supervisor>().not.toExtend<TaskScope>();
    expectTypeOf(supervisor.spawn(async () => 1)).toEqualTypeOf<Task<number>>();
    expectTypeOf(supervisor.stop).parameters.toEqualTypeOf<[options?: StopOptions | undefined]>();
    expectTypeOf(supervisor.children()).toEqualTypeOf<IterableIterator<Child>>();
    expectTypeOf(supervisor.state).toEqualTypeOf<"open" | "closing" | "closed">();
    expectTypeOf(supervisor.tasks).toEqualTypeOf<ReadonlySet<Task<unknown>>>();
  });

  it("supervises functions of any kind", () => {
    supervisor.supervise(
      async (token, { ready }) => {
        expectTypeOf(token).toEqualTypeOf<CancellationToken>();
        expectTypeOf(ready).toEqualTypeOf<() => void>();
        await Promise.resolve();
      },
      { name: "server" },
    );
    expectTypeOf<() => Promise<number>>().toExtend<ChildFunction>();
    expectTypeOf<(token: CancellationToken) => void>().toExtend<ChildFunction>();
    expectTypeOf<(signal: AbortSignal) => void>().not.toExtend<ChildFunction>();
    expectTypeOf<ChildContext["ready"]>().toBeCallableWith();
    expectTypeOf(supervisor.supervise(fetchUser, { name: "user" })).toEqualTypeOf<Child>();
    // @ts-expect-error a name is needed
    supervisor.supervise(fetchUser, {});
    // @ts-expect-error a spec is needed
    supervisor.supervise(fetchUser);
    // @ts-expect-error no such policy
    supervisor.supervise(fetchUser, { name: "user", restart: "sometimes" });
    // @ts-expect-error an initial wait
    supervisor.supervise(fetchUser, { name: "user", backoff: { max: 5 } });
  });

  it("describes children", () => {
    expectTypeOf<RestartPolicy>().toEqualTypeOf<"permanent" | "transient" | "temporary">();
    expectTypeOf<ChildSpec["backoff"]>().toEqualTypeOf<Backoff | undefined>();
    expectTypeOf(child.name).toBeString();
    expectTypeOf(child.status).toEqualTypeOf<"running" | "backing-off" | "stopped" | "failed">();
    expectTypeOf(child.restarts).toBeNumber();
    expectTypeOf(child.task).toEqualTypeOf<Task<void> | undefined>();
    expectTypeOf(child.stop()).toEqualTypeOf<Promise<void>>();
    expectTypeOf(child.restart()).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error the count is the supervisor's
    child.restarts = 0;
  });

  it("tells of events by their type", () => {
    const onEvent = (event: SupervisorEvent): string => {
      expectTypeOf(event.child).toEqualTypeOf<Child>();
      switch (event.type) {
        case "started":
        case "ready":
        case "stopped":
          return event.type;
        case "failed":
        case "gave-up":
          expectTypeOf(event.error).toBeUnknown();
          return event.type;
        case "restarting":
          expectTypeOf(event.delay).toExtend<number | undefined>();
          return event.type;
        default:
          return event.type satisfies never;
      }
    };
    new Supervisor({ onEvent });
  });

  it("gives up with an error of its own", () => {
    expectTypeOf<RestartLimitError>().toExtend<Error>();
    expectTypeOf(new RestartLimitError("gave up", { cause: 1 }).name).toEqualTypeOf<"RestartLimitError">();
  });
});
