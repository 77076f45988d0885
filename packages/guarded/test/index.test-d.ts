import type {
  CancellationToken,
  SpawnOptions,
  StopOptions,
  Task,
  TaskFunction,
  TaskSpawner,
  TokenLike,
} from "@scope/core";
import {
  type BackgroundOptions,
  type EndingOptions,
  type GuardOptions,
  type Logger,
  type MainOptions,
  ExitError,
  SafeExitError,
  backgroundTasks,
  exitOnError,
  runMain,
  spawn,
  spawnGuarded,
  stopBackgroundTasks,
} from "@scope/guarded";
import { describe, expectTypeOf, it } from "vitest";

declare const signal: AbortSignal;
declare const pino: {
  error(object: object, message?: string, ...args: unknown[]): void;
  error(message: string, ...args: unknown[]): void;
};
declare const winston: { error(message: unknown, ...meta: unknown[]): object };

describe("spawn and spawnGuarded", () => {
  it("infer what the function returns", () => {
    expectTypeOf(spawn(() => 1)).toEqualTypeOf<Task<number>>();
    expectTypeOf(spawn(async () => "text")).toEqualTypeOf<Task<string>>();
    expectTypeOf(spawn(() => spawn(() => 1))).toEqualTypeOf<Task<number>>();
    expectTypeOf(spawnGuarded(async () => [1])).toEqualTypeOf<Task<number[]>>();
    spawn((token) => {
      expectTypeOf(token).toEqualTypeOf<CancellationToken>();
    });
    expectTypeOf(spawn<number>)
      .parameter(0)
      .toEqualTypeOf<TaskFunction<number>>();
  });

  it("are what a TaskSpawner has", () => {
    const spawners: TaskSpawner[] = [{ spawn }, { spawn: spawnGuarded }];
    expectTypeOf(spawners).toBeArray();
  });

  it("take their options, absent ones as undefined, too", () => {
    expectTypeOf<BackgroundOptions>().toExtend<SpawnOptions>();
    expectTypeOf<BackgroundOptions["token"]>().toEqualTypeOf<TokenLike | undefined>();
    expectTypeOf<GuardOptions>().toExtend<BackgroundOptions & EndingOptions>();
    spawn(() => 1, { name: undefined, token: signal });
    spawnGuarded(() => 1, { name: "job", token: undefined, logger: undefined, exitCode: 2, exit: () => {} });
    // @ts-expect-error a function, not a promise
    spawn(Promise.resolve());
    // @ts-expect-error no such option
    spawn(() => 1, { exitCode: 1 });
    // @ts-expect-error a number, not a text
    spawnGuarded(() => 1, { exitCode: "1" });
  });

  it("are no floating promises", () => {
    // As the linter's rule has it: not a Promise itself, though it can be awaited.
    expectTypeOf(spawn(() => 1)).toExtend<PromiseLike<number>>();
  });
});

describe("a logger", () => {
  it("is whatever has an `error`", () => {
    const loggers: Logger[] = [console, pino, winston];
    expectTypeOf(loggers).toBeArray();
    spawnGuarded(() => 1, { logger: console });
    void runMain(() => 1, { logger: winston });
    // @ts-expect-error nothing to log failures with
    spawnGuarded(() => 1, { logger: { info() {} } });
  });
});

describe("exitOnError", () => {
  it("is a callback for `onDone`, of any task", () => {
    spawn(() => 1).onDone(exitOnError);
    spawn(() => "text").onDone((task) => exitOnError(task, { exitCode: 2 }));
    expectTypeOf(exitOnError).returns.toBeVoid();
  });
});

describe("backgroundTasks and stopBackgroundTasks", () => {
  it("list and stop", () => {
    expectTypeOf(backgroundTasks()).toEqualTypeOf<ReadonlySet<Task<unknown>>>();
    expectTypeOf(stopBackgroundTasks).parameter(0).toEqualTypeOf<StopOptions | undefined>();
    expectTypeOf(stopBackgroundTasks()).toEqualTypeOf<Promise<void>>();
  });
});

describe("runMain", () => {
  it("takes any main, and resolves with nothing", () => {
    expectTypeOf(runMain(() => 1)).toEqualTypeOf<Promise<void>>();
    expectTypeOf(runMain(async (token) => token.throwIfCancelled())).toEqualTypeOf<Promise<void>>();
    expectTypeOf(runMain<number>)
      .parameter(0)
      .parameter(0)
      .toEqualTypeOf<CancellationToken>();
  });

  it("takes its options", () => {
    expectTypeOf<MainOptions>().toExtend<EndingOptions>();
    const signals = ["SIGTERM"] as const;
    void runMain(() => 1, { signals, graceMs: 5, uncaught: false, exit: process.exit });
    // @ts-expect-error names, not numbers
    void runMain(() => 1, { signals: [15] });
    // @ts-expect-error a main has no token to follow
    void runMain(() => 1, { token: signal });
  });
});

describe("the errors", () => {
  it("are made with a code, and without", () => {
    expectTypeOf(new ExitError(1).exitCode).toBeNumber();
    expectTypeOf(new ExitError(1, "message").name).toEqualTypeOf<"ExitError">();
    expectTypeOf(new SafeExitError().name).toEqualTypeOf<"SafeExitError">();
    // @ts-expect-error a code first
    new ExitError("message");
  });
});
