import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  InvalidStateError,
  Task,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  backgroundSpawner,
  cancelAndWait,
  failAfter,
  isCancellation,
  moveOnAfter,
  reportTaskError,
  setTaskErrorHandler,
  sleep,
  type CancelSource,
  type ErrorPolicy,
  type ScopeOptions,
  type SpawnOptions,
  type StopOptions,
  type TaskErrorContext,
  type TaskFunction,
  type TaskScopeOptions,
  type TaskSpawner,
  type TaskStatus,
  type TokenLike,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { describe, expectTypeOf, it } from "vitest";

declare const scope: TaskScope;
declare const token: CancellationToken;
declare const signal: AbortSignal;
declare const numberTask: Task<number>;
declare const coin: boolean;

describe("spawn", () => {
  it("infers what the function returns", () => {
    expectTypeOf(scope.spawn(() => 1)).toEqualTypeOf<Task<number>>();
    expectTypeOf(scope.spawn(async () => "text")).toEqualTypeOf<Task<string>>();
    expectTypeOf(scope.spawn(async () => {})).toEqualTypeOf<Task<void>>();
    expectTypeOf(scope.spawn(() => undefined)).toEqualTypeOf<Task<undefined>>();
    expectTypeOf(scope.spawn(async (): Promise<[number, string]> => [1, "text"])).toEqualTypeOf<
      Task<[number, string]>
    >();
    expectTypeOf(
      scope.spawn((): never => {
        throw new Error();
      }),
    ).toEqualTypeOf<Task<never>>();
  });

  it("unwraps promises, thenables and tasks", () => {
    expectTypeOf(scope.spawn(() => numberTask)).toEqualTypeOf<Task<number>>();
    expectTypeOf(scope.spawn(async () => numberTask)).toEqualTypeOf<Task<number>>();
    expectTypeOf(scope.spawn((): PromiseLike<string> => Promise.resolve("text"))).toEqualTypeOf<
      Task<string>
    >();
    expectTypeOf(scope.spawn((): number | Promise<number> => (coin ? 1 : Promise.resolve(2)))).toEqualTypeOf<
      Task<number>
    >();
  });

  it("hands the function a token, which it may leave out", () => {
    scope.spawn((own) => {
      expectTypeOf(own).toEqualTypeOf<CancellationToken>();
    });
    expectTypeOf<(own: CancellationToken) => Promise<void>>().toExtend<TaskFunction<void>>();
    expectTypeOf<() => void>().toExtend<TaskFunction<void>>();
    // @ts-expect-error a function of anything else is none
    scope.spawn((text: string) => text);
  });

  it("takes a name, and no other option", () => {
    expectTypeOf(scope.spawn(() => 1, { name: "reader" })).toEqualTypeOf<Task<number>>();
    scope.spawn(() => 1, {});
    scope.spawn(() => 1, { name: undefined });
    expectTypeOf<SpawnOptions>().toEqualTypeOf<{ name?: string | undefined }>();
    // @ts-expect-error a name is a string
    scope.spawn(() => 1, { name: 5 });
    // @ts-expect-error the token is the owner's
    scope.spawn(() => 1, { token });
    // @ts-expect-error a function first
    scope.spawn(Promise.resolve(1));
  });
});

describe("Task", () => {
  it("tells of its state and its outcome", () => {
    expectTypeOf(numberTask.id).toBeNumber();
    expectTypeOf(numberTask.name).toBeString();
    expectTypeOf(numberTask.status).toEqualTypeOf<TaskStatus>();
    expectTypeOf<TaskStatus>().toEqualTypeOf<"pending" | "running" | "succeeded" | "failed" | "cancelled">();
    expectTypeOf(numberTask.done).toBeBoolean();
    expectTypeOf(numberTask.token).toEqualTypeOf<CancellationToken>();
    expectTypeOf(numberTask.cancelRequested).toBeBoolean();
    expectTypeOf(numberTask.result()).toBeNumber();
    expectTypeOf(numberTask.error).toBeUnknown();
    expectTypeOf(numberTask.cancel("reason")).toBeBoolean();
    expectTypeOf(numberTask.onDone).parameter(0).toEqualTypeOf<(task: Task<number>) => void>();
    expectTypeOf(numberTask.onDone).returns.toEqualTypeOf<() => void>();
  });

  it("is awaited for its value", async () => {
    expectTypeOf(await numberTask).toBeNumber();
    expectTypeOf<Awaited<Task<string>>>().toBeString();
    expectTypeOf(numberTask.then((value) => String(value))).toEqualTypeOf<Promise<string>>();
    expectTypeOf(numberTask.then()).toEqualTypeOf<Promise<number>>();
    expectTypeOf(numberTask.then(null, () => "text")).toEqualTypeOf<Promise<number | string>>();
    expectTypeOf(numberTask.catch(() => "text")).toEqualTypeOf<Promise<number | string>>();
    expectTypeOf(numberTask.finally(() => {})).toEqualTypeOf<Promise<number>>();
  });

  it("stands where a promise is wanted", async () => {
    expectTypeOf(numberTask).toExtend<Promise<number>>();
    expectTypeOf(numberTask).toExtend<PromiseLike<number>>();
    const text = scope.spawn(() => "text");
    expectTypeOf(await Promise.all([numberTask, text])).toEqualTypeOf<[number, string]>();
    expectTypeOf(await Promise.race([numberTask, text])).toEqualTypeOf<number | string>();
    const load = async (): Promise<number> => numberTask;
    expectTypeOf(load).returns.resolves.toBeNumber();
  });

  it("is a task of anything wider, and of nothing else", () => {
    expectTypeOf<Task<number>>().toExtend<Task<unknown>>();
    expectTypeOf<Task<number>>().toExtend<Task<number | string>>();
    expectTypeOf<Task<never>>().toExtend<Task<string>>();
    expectTypeOf<Task<number>>().not.toExtend<Task<string>>();
    expectTypeOf<Promise<number>>().not.toExtend<Task<number>>();
    const several: Task<unknown>[] = [numberTask, scope.spawn(() => "text")];
    expectTypeOf(several).toEqualTypeOf<Task<unknown>[]>();
  });

  it("is made by spawn, read-only, and told apart with instanceof", () => {
    // @ts-expect-error never by new
    new Task();
    // @ts-expect-error the status is the task's
    numberTask.status = "failed";
    // @ts-expect-error the token is the task's
    numberTask.token = token;
    const value: unknown = numberTask;
    if (value instanceof Task) expectTypeOf(value.status).toEqualTypeOf<TaskStatus>();
  });

  it("is fine as a statement: a task that nobody awaits has an owner", () => {
    // The typed lint rules of this repository would call a floating promise an error here.
    scope.spawn(async () => 1);
    backgroundSpawner.spawn(async () => 1);
  });
});

describe("owners", () => {
  it("are all spawners", () => {
    expectTypeOf<TaskScope>().toExtend<TaskSpawner>();
    expectTypeOf<TaskGroup>().toExtend<TaskSpawner>();
    expectTypeOf(backgroundSpawner).toEqualTypeOf<TaskSpawner>();
    const helper = (spawner: TaskSpawner): Task<number> => spawner.spawn(() => 1);
    helper(scope);
    helper(new TaskGroup());
    helper(backgroundSpawner);
    helper({ spawn: (fn, options) => scope.spawn(fn, options) });
    // @ts-expect-error a source spawns nothing
    helper(new CancellationSource());
  });

  it("are disposed of asynchronously, sources synchronously", () => {
    expectTypeOf<TaskScope>().toExtend<AsyncDisposable>();
    expectTypeOf<CancellationSource>().toExtend<Disposable>();
    expectTypeOf<TaskScope>().not.toExtend<PromiseLike<unknown>>();
  });
});

describe("TaskScope", () => {
  it("run infers what the body returns", () => {
    expectTypeOf(TaskScope.run(() => 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(TaskScope.run(async () => "text")).toEqualTypeOf<Promise<string>>();
    expectTypeOf(TaskScope.run((own) => own.spawn(() => 1))).toEqualTypeOf<Promise<number>>();
    expectTypeOf(TaskScope.run(async () => {})).toEqualTypeOf<Promise<void>>();
    void TaskScope.run((own) => {
      expectTypeOf(own).toEqualTypeOf<TaskScope>();
    });
    // @ts-expect-error a body first
    void TaskScope.run({ name: "ingest" });
  });

  it("tells of its state", () => {
    expectTypeOf(scope.name).toBeString();
    expectTypeOf(scope.token).toEqualTypeOf<CancellationToken>();
    expectTypeOf(scope.state).toEqualTypeOf<"open" | "closing" | "closed">();
    expectTypeOf(scope.cancelRequested).toBeBoolean();
    expectTypeOf(scope.size).toBeNumber();
    expectTypeOf(scope.hasErrors).toBeBoolean();
    expectTypeOf(scope.tasks).toEqualTypeOf<ReadonlySet<Task<unknown>>>();
    expectTypeOf(scope.cancel("reason")).toBeVoid();
    expectTypeOf(scope.join()).toEqualTypeOf<Promise<void>>();
    expectTypeOf(scope.stop({ reason: 1, timeout: 5 })).toEqualTypeOf<Promise<void>>();
    expectTypeOf<StopOptions>().toEqualTypeOf<{ reason?: unknown; timeout?: number | undefined }>();
  });

  it("takes these options, each of which may be undefined", () => {
    expectTypeOf<keyof ScopeOptions>().toEqualTypeOf<
      "name" | "token" | "shield" | "timeout" | "concurrency"
    >();
    expectTypeOf<keyof TaskScopeOptions>().toEqualTypeOf<
      keyof ScopeOptions | "onError" | "isFatal" | "onTaskDone"
    >();
    expectTypeOf<ScopeOptions>().toExtend<TaskScopeOptions>();
    expectTypeOf<Record<keyof TaskScopeOptions, undefined>>().toExtend<TaskScopeOptions>();
    new TaskScope({
      name: "ingest",
      token: signal,
      shield: true,
      timeout: Infinity,
      concurrency: 8,
      onError: (context) => {
        expectTypeOf(context).toEqualTypeOf<TaskErrorContext>();
      },
      isFatal: (error) => {
        expectTypeOf(error).toBeUnknown();
        return error instanceof FatalError;
      },
      onTaskDone: (task) => {
        expectTypeOf(task).toEqualTypeOf<Task<unknown>>();
      },
    });
    new TaskScope({ onError: "ignore", token });
    // @ts-expect-error there are two words for it
    new TaskScope({ onError: "throw" });
    // @ts-expect-error milliseconds are a number
    new TaskScope({ timeout: "5s" });
    // @ts-expect-error no such option
    new TaskScope({ signal });
    // @ts-expect-error who may cancel is not what tells
    new TaskScope({ token: new CancellationSource() });
    expectTypeOf<ErrorPolicy>().toEqualTypeOf<"report" | "ignore" | ((context: TaskErrorContext) => void)>();
  });
});

describe("moveOnAfter and failAfter", () => {
  it("resolve with the body's value, or with undefined where the time may run out", () => {
    expectTypeOf(moveOnAfter(5, () => 1)).toEqualTypeOf<Promise<number | undefined>>();
    expectTypeOf(moveOnAfter(5, async (own) => own.spawn(() => "text"))).toEqualTypeOf<
      Promise<string | undefined>
    >();
    expectTypeOf(failAfter(5, () => 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(failAfter(5, async () => {})).toEqualTypeOf<Promise<void>>();
  });

  it("hand the body its scope, and take the options of a scope but the timeout", () => {
    void failAfter(
      5,
      (own) => {
        expectTypeOf(own).toEqualTypeOf<TaskScope>();
      },
      { name: "probe", token: signal, concurrency: 2, onError: "ignore" },
    );
    // @ts-expect-error the timeout comes first
    void moveOnAfter(5, () => 1, { timeout: 5 });
    // @ts-expect-error milliseconds first
    void failAfter(() => 1, 5);
  });
});

describe("cancellation", () => {
  it("is followed through tokens and signals, and nothing else", () => {
    expectTypeOf<TokenLike>().toEqualTypeOf<CancellationToken | AbortSignal>();
    expectTypeOf(CancellationToken.from).parameters.toEqualTypeOf<[like: TokenLike]>();
    expectTypeOf(CancellationToken.from(signal)).toEqualTypeOf<CancellationToken>();
    expectTypeOf(CancellationToken.none).toEqualTypeOf<CancellationToken>();
    // @ts-expect-error who may cancel is not what tells
    CancellationToken.from(new AbortController());
    // @ts-expect-error tokens come from sources
    new CancellationToken();
  });

  it("has a read side without a cancel", () => {
    expectTypeOf<CancellationToken>().not.toHaveProperty("cancel");
    expectTypeOf(token.cancelRequested).toBeBoolean();
    expectTypeOf(token.error).toEqualTypeOf<CancelledError | undefined>();
    expectTypeOf(token.signal).toEqualTypeOf<AbortSignal>();
    expectTypeOf(token.throwIfCancelled()).toBeVoid();
    expectTypeOf(token.onCancel).toEqualTypeOf<(callback: (error: CancelledError) => void) => () => void>();
    expectTypeOf(token.race(Promise.resolve(1))).toEqualTypeOf<Promise<number>>();
    expectTypeOf(token.race(numberTask)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(token.child()).toEqualTypeOf<CancellationSource>();
    token.child({ timeout: 5 });
    token.child({ timeout: undefined });
    // @ts-expect-error a child has one parent
    token.child({ parent: token });
    // @ts-expect-error the error is the token's
    token.error = new CancelledError();
  });

  it("has a write side with parents and a deadline", () => {
    new CancellationSource();
    new CancellationSource({});
    new CancellationSource({ parent: token, timeout: 5 });
    new CancellationSource({ parent: signal });
    new CancellationSource({ parent: [token, signal] as const });
    new CancellationSource({ parent: [] });
    new CancellationSource({ parent: undefined, timeout: undefined });
    // @ts-expect-error a list of what can be followed
    new CancellationSource({ parent: [token, undefined] });
    // @ts-expect-error milliseconds are a number
    new CancellationSource().cancelAfter("5s");
    expectTypeOf<CancellationSource["token"]>().toEqualTypeOf<CancellationToken>();
    expectTypeOf<CancellationSource["cancel"]>().toEqualTypeOf<(reason?: unknown) => void>();
  });

  it("is slept under", () => {
    expectTypeOf(sleep).parameters.toEqualTypeOf<[ms: number, token?: TokenLike | undefined]>();
    expectTypeOf(sleep(1)).toEqualTypeOf<Promise<void>>();
  });

  it("is waited for", () => {
    expectTypeOf(cancelAndWait(numberTask)).toEqualTypeOf<Promise<void>>();
    void cancelAndWait([numberTask, scope.spawn(() => "text")], { reason: "enough", token: signal });
    void cancelAndWait(scope.tasks);
    void cancelAndWait(new Set([numberTask]), {});
    // A promise cannot be cancelled, nor can several.
    type Cancellable = Parameters<typeof cancelAndWait>[0];
    expectTypeOf<Promise<void>>().not.toExtend<Cancellable>();
    expectTypeOf<Promise<void>[]>().not.toExtend<Cancellable>();
  });
});

describe("errors", () => {
  it("are errors with these fields", () => {
    const cancelled = new CancelledError("reason", { source: "shutdown" });
    expectTypeOf(cancelled).toExtend<Error>();
    expectTypeOf(cancelled.name).toEqualTypeOf<"AbortError">();
    expectTypeOf(cancelled.code).toEqualTypeOf<"ABORT_ERR">();
    expectTypeOf(cancelled.reason).toBeUnknown();
    expectTypeOf(cancelled.source).toEqualTypeOf<CancelSource>();
    expectTypeOf<CancelSource>().toEqualTypeOf<"explicit" | "timeout" | "signal" | "sibling" | "shutdown">();
    // @ts-expect-error there are five
    new CancelledError("reason", { source: "parent" });
    expectTypeOf(new TimeoutError(5, "late").timeout).toBeNumber();
    // @ts-expect-error the limit first
    new TimeoutError("late");
    expectTypeOf(new InvalidStateError("misuse", { cause: 1 })).toExtend<Error>();
    expectTypeOf(new FatalError("the end")).toExtend<Error>();
    expectTypeOf(isCancellation).toEqualTypeOf<(error: unknown) => boolean>();
  });

  it("are told apart with instanceof", () => {
    const error: unknown = undefined;
    if (error instanceof CancelledError) expectTypeOf(error.source).toEqualTypeOf<CancelSource>();
    if (error instanceof TimeoutError) expectTypeOf(error.timeout).toBeNumber();
    if (error instanceof TaskGroupError) expectTypeOf(error.errors).toEqualTypeOf<unknown[]>();
  });

  it("come in groups, which can be split", () => {
    class Refused extends Error {
      readonly by: string;
      constructor(by: string) {
        super(by);
        this.by = by;
      }
    }
    const group = new TaskGroupError([1, new Error()], "several", [numberTask, undefined]);
    new TaskGroupError(new Set([1]));
    expectTypeOf(group).toExtend<AggregateError>();
    expectTypeOf(group.tasks).toEqualTypeOf<(Task<unknown> | undefined)[]>();
    expectTypeOf(group.leaves()).toEqualTypeOf<unknown[]>();
    type Halves = [TaskGroupError | undefined, TaskGroupError | undefined];
    expectTypeOf(group.split(TimeoutError)).toEqualTypeOf<Halves>();
    expectTypeOf(group.split(Refused)).toEqualTypeOf<Halves>();
    expectTypeOf(group.split(Error)).toEqualTypeOf<Halves>();
    expectTypeOf(
      group.split((error) => {
        expectTypeOf(error).toBeUnknown();
        return true;
      }),
    ).toEqualTypeOf<Halves>();
    // @ts-expect-error a class of errors
    group.split(Map);
    // @ts-expect-error a predicate says yes or no
    group.split(() => "yes");
  });

  it("are reported to one handler", () => {
    type Handler = (context: TaskErrorContext) => void;
    expectTypeOf(setTaskErrorHandler).parameters.toEqualTypeOf<[handler: Handler | undefined]>();
    expectTypeOf(setTaskErrorHandler).returns.toEqualTypeOf<Handler | undefined>();
    expectTypeOf(reportTaskError).toEqualTypeOf<Handler>();
    reportTaskError({ message: "Error", error: 1 });
    reportTaskError({ message: "Error", error: 1, task: numberTask, scope: "ingest" });
    // @ts-expect-error a message and an error at least
    reportTaskError({ error: 1 });
  });
});
