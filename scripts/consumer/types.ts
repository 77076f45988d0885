// A user's program that names everything the packages export; it is only type-checked.
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
  type ErrorPolicy,
  type ScopeOptions,
  type SpawnOptions,
  type TaskErrorContext,
  type TaskFunction,
  type TaskScopeOptions,
  type TaskSpawner,
  type TaskStatus,
  type TokenLike,
} from "@scope/core";
import {
  ExitError,
  SafeExitError,
  backgroundTasks,
  exitOnError,
  runMain,
  spawn,
  spawnGuarded,
  stopBackgroundTasks,
  type BackgroundOptions,
  type EndingOptions,
  type GuardOptions,
  type Logger,
  type MainOptions,
} from "@scope/guarded";
import {
  PersistentTaskGroup,
  ServiceBase,
  ServiceGroup,
  type PersistentTaskGroupOptions,
  type Service,
  type ServiceGroupOptions,
} from "@scope/persistent";
import {
  RestartLimitError,
  Supervisor,
  asCompleted,
  gather,
  race,
  type Child,
  type ChildSpec,
  type SupervisorEvent,
  type SupervisorOptions,
} from "@scope/supervisor";
import {
  expectNoTasksLeft,
  formatTree,
  inspect,
  publishToChannels,
  snapshot,
  trackTasks,
  type CancelNode,
  type ChannelMessages,
  type EventBatch,
  type FormatOptions,
  type InspectOptions,
  type Inspected,
  type ScopeNode,
  type Snapshot,
  type TaskNode,
  type TimelineEvent,
  type TrackOptions,
  type WaitNode,
} from "@scope/inspect";
import { TaskGroup } from "@scope/taskgroup";

export async function cancellation(outer: TokenLike): Promise<unknown[]> {
  const plain = new CancellationSource();
  const source = new CancellationSource({ parent: [outer, plain.token], timeout: 1000 });
  source.cancelAfter(Infinity);
  source.cancel("reason");
  source[Symbol.dispose]();
  const token: CancellationToken = source.token;
  const error: CancelledError | undefined = token.error;
  const unregister: () => void = token.onCancel((cancelled: CancelledError) => cancelled.source);
  unregister();
  token.throwIfCancelled();
  const child: CancellationSource = token.child({ timeout: 1 });
  const raced: string = await token.race(Promise.resolve("value"));
  const signal: AbortSignal = token.signal;
  await sleep(1, signal);
  await sleep(1, CancellationToken.none);
  const made = new CancelledError("reason", { source: "shutdown" });
  const code: string | undefined = error?.name;
  return [made.reason, isCancellation(made), CancellationToken.from(signal), child, raced, code];
}

export async function tasks(spawner: TaskSpawner): Promise<unknown[]> {
  const options: SpawnOptions = { name: "named" };
  const fn: TaskFunction<number> = async (token) => {
    await sleep(1, token);
    return 1;
  };
  const task: Task<number> = spawner.spawn(fn, options);
  const other: Task<string> = backgroundSpawner.spawn(() => "now");
  const status: TaskStatus = task.status;
  const asked: boolean = task.cancel("reason") || task.cancelRequested;
  const promise: Promise<number> = task;
  const forget: () => void = task.onDone((done: Task<number>) => done.result());
  forget();
  await cancelAndWait(task);
  await cancelAndWait([task, other], { reason: "reason", token: CancellationToken.none });
  const value: number = await promise;
  const text: string = await other.then((words: string) => words.trim());
  const known: boolean = spawner instanceof TaskScope || task instanceof Task;
  return [
    known,
    status,
    asked,
    value,
    text,
    task.id,
    task.name,
    task.done,
    task.token,
    task.result(),
    task.error,
  ];
}

export async function scopes(outer: AbortSignal): Promise<unknown[]> {
  const policy: ErrorPolicy = (context: TaskErrorContext) => {
    reportTaskError(context);
  };
  const shared: ScopeOptions = { name: "outer", token: outer, shield: true, timeout: 1000, concurrency: 2 };
  const options: TaskScopeOptions = {
    ...shared,
    onError: policy,
    isFatal: (error) => error instanceof FatalError,
    onTaskDone: (task: Task<unknown>) => task.status,
  };
  const body: number = await TaskScope.run(async (scope) => {
    await scope.spawn(() => "value");
    return scope.size;
  }, options);
  const scope = new TaskScope({ onError: "ignore" });
  const owner: TaskSpawner & AsyncDisposable = scope;
  const live: ReadonlySet<Task<unknown>> = scope.tasks;
  const state: "open" | "closing" | "closed" = scope.state;
  scope.cancel("reason");
  await scope.stop({ reason: "reason", timeout: 1 });
  await scope.join();
  await owner[Symbol.asyncDispose]();
  const maybe: number | undefined = await moveOnAfter(1, (inner) => inner.spawn(() => 1), shared);
  const sure: number = await failAfter(1, async (inner) => inner.spawn(() => 1));
  const previous = setTaskErrorHandler(undefined);
  setTaskErrorHandler(previous);
  return [body, live, state, maybe, sure, scope.name, scope.token, scope.hasErrors, scope.cancelRequested];
}

export async function groups(items: AsyncIterable<string>): Promise<unknown[]> {
  const lengths: number[] = await TaskGroup.map(items, (item: string, token, index: number) => {
    token.throwIfCancelled();
    return item.length + index;
  });
  try {
    const result: string = await TaskGroup.run(async (group) => {
      const task: Task<string> = group.spawn(async () => "value");
      return task;
    });
    return [lengths, result];
  } catch (error) {
    if (!(error instanceof TaskGroupError)) throw error;
    const [timeouts, rest] = error.split(TimeoutError);
    const [misuse] = rest?.split((leaf: unknown) => leaf instanceof InvalidStateError) ?? [];
    const limit: number = new TimeoutError(1).timeout;
    return [timeouts?.leaves(), misuse, error.tasks, error.errors, limit, new FatalError("stop")];
  }
}

export async function supervised(outer: TokenLike): Promise<unknown[]> {
  const options: SupervisorOptions = {
    token: outer,
    strategy: "rest-for-one",
    maxRestarts: 5,
    withinMs: 1000,
    onError: "ignore",
    onEvent: ({ type, child, error, delay }: SupervisorEvent) => [type, child.name, error, delay],
  };
  const spec: ChildSpec = {
    name: "child",
    restart: "transient",
    backoff: { initial: 1, max: 10, factor: 2, jitter: 0.5 },
    stopTimeout: 100,
    significant: true,
  };
  const names: string[] = await Supervisor.run(async (supervisor) => {
    const child: Child = supervisor.supervise((token, { ready }) => {
      ready();
      return sleep(1, token);
    }, spec);
    await child.restart();
    await child.stop();
    const task: Task<number> = supervisor.spawn(() => child.restarts);
    await task;
    return Array.from(supervisor.children(), ({ name }) => name);
  }, options);
  return [names, new RestartLimitError("enough").cause];
}

export async function combined(token: TokenLike): Promise<unknown[]> {
  const [one, two] = await gather([() => 1, async () => "two"], { token });
  const number: number | undefined = one.status === "fulfilled" ? one.value : undefined;
  const text: string | undefined = two.status === "fulfilled" ? two.value : undefined;
  const winner: { value: string; index: number; errors: unknown[] } = await race([() => "a", () => "b"], {
    token,
    stagger: 1,
    continueOnError: true,
  });
  const values: number[] = [];
  for await (const task of asCompleted([() => 1, async () => 2], { concurrency: 1 })) {
    const done: Task<number> = task;
    values.push(done.result());
  }
  return [number, text, winner, values];
}

class Clock extends ServiceBase {
  readonly #ticks: number[] = [];

  protected override async main(token: CancellationToken): Promise<void> {
    await sleep(1, token);
    this.spawn(() => this.#ticks.length, { name: "tick", logError: false });
  }
}

export async function persistent(outer: TokenLike, spawner: TaskSpawner): Promise<unknown[]> {
  const options: PersistentTaskGroupOptions = { uniqueId: "id", token: outer, retain: "failures", spawner };
  const seen: string[] = await PersistentTaskGroup.run(async (group) => {
    const names: string[] = [];
    for await (const task of group.asCompleted({ timeout: 1 })) names.push(task.name);
    for await (const task of group.asCompleted()) group.acknowledge(task);
    group.cancel("reason");
    return names;
  }, options);
  const clock: Service = new Clock({ uniqueId: "clock", token: outer });
  const settings: ServiceGroupOptions = { startTimeout: 1, stopTimeout: 1, onEnd: () => "restart" };
  const group: Service = new ServiceGroup([clock, new ServiceGroup([], settings)], settings);
  group.start();
  await group.ready?.();
  await group.stop({ timeout: 1 });
  return [seen, group.isRunning, group.uniqueId];
}

export async function disposal(): Promise<TaskGroup> {
  const group = new TaskGroup({ name: "ingest" });
  const owner: TaskSpawner & AsyncDisposable = group;
  await owner[Symbol.asyncDispose]();
  await group.join();
  await group.stop();
  group.cancel();
  return group;
}

export async function background(token: TokenLike): Promise<unknown[]> {
  const logger: Logger = { error: () => undefined };
  const ending: EndingOptions = { logger, exit: (code: number) => void code };
  const options: BackgroundOptions = { name: "named", token };
  const guard: GuardOptions = { ...options, ...ending, exitCode: 70 };
  const main: MainOptions = { ...ending, signals: ["SIGTERM"], graceMs: 1000, uncaught: false };
  const task: Task<number> = spawn(() => 1, options);
  const guarded: Task<string> = spawnGuarded(async () => "value", guard);
  task.onDone(exitOnError);
  guarded.onDone((done) => {
    exitOnError(done, guard);
  });
  const live: ReadonlySet<Task<unknown>> = backgroundTasks();
  await stopBackgroundTasks({ reason: "reason", timeout: 1 });
  await runMain((root: CancellationToken) => sleep(1, root), main);
  const code: number = new ExitError(1, "message").exitCode;
  return [live, code, new SafeExitError("message")];
}

export async function inspection(): Promise<unknown[]> {
  const options: InspectOptions = { events: 10, waits: false, sites: false };
  const inspected: Inspected = inspect(options);
  const seen: Snapshot = await inspected.snapshot();
  const format: FormatOptions = { ids: true, sites: false, ascii: true };
  const scope: ScopeNode | undefined = seen.scopes[0];
  const task: TaskNode | undefined = scope?.tasks[0];
  const cancel: CancelNode | undefined = task?.cancel;
  const waits: readonly WaitNode[] = task?.waitsFor ?? [];
  const batch: EventBatch = await inspected.events(1, 100);
  const event: TimelineEvent | undefined = batch.events[0];
  const tracking: TrackOptions = { ignore: (one, owner) => one.name === owner.name };
  trackTasks(tracking);
  await expectNoTasksLeft();
  const stop: () => void = publishToChannels();
  stop();
  const message = (done: ChannelMessages["scope:task:done"]): string => done.task.name;
  await inspected[Symbol.asyncDispose]();
  return [formatTree(snapshot(), format), cancel?.reason, waits, event?.at, message];
}
