/**
 * Every public function, constructor and method of the packages: what it takes, and how it is called. The test of this list is
 * that nothing which the packages export is missing from it.
 */
import * as core from "@scope/core";
import * as guarded from "@scope/guarded";
import * as persistent from "@scope/persistent";
import * as supervisor from "@scope/supervisor";
import * as taskgroup from "@scope/taskgroup";
import {
  type Kind,
  anything,
  boolean,
  count,
  duration,
  errorPolicy,
  exitCode,
  func,
  is,
  iterable,
  object,
  oneOf,
  optional,
  parents,
  platform,
  printable,
  range,
  text,
  textOfSome,
  token,
} from "./value.ts";
import type { Group, Loose, World } from "./world.ts";

/** In what state the owner is whose method is called. */
export const states = ["open", "busy", "cancelled", "closed"] as const;

export type State = (typeof states)[number];

export interface Door {
  /** `package Class#method`, `package Class.method`, `package function`. */
  readonly name: string;
  readonly params: Readonly<Record<string, Kind>>;
  /** It returns a promise, and then never throws. */
  readonly promises?: boolean;
  /** It never throws, whatever it is given. */
  readonly never?: boolean;
  /** With its promise everything in the group has ended, the body included or not; its rejection tells the failures. */
  readonly ends?: "tasks" | "all";
  /** How often a failure may be told. */
  readonly told?: { readonly least: number; readonly most: number };
  /** Makes what the method is called on; it is the owner of the group. */
  open?(world: World, state: State): unknown;
  call(args: readonly unknown[], receiver: Loose, world: World, group: Group): unknown;
  /** Values of its own, by their labels. */
  readonly values?: Readonly<Record<string, (world: World) => unknown>>;
  /** What comes of what it has returned. */
  then?(result: unknown, world: World, group: Group): void;
}

const { TaskScope, CancellationSource, CancellationToken, Task } = core;

// Options, one kind for each type.

const scopeOptions = {
  name: optional(text),
  token: optional(token),
  shield: optional(boolean),
  timeout: optional(duration),
  concurrency: optional(count(1)),
};
const taskScopeOptions = {
  ...scopeOptions,
  onError: optional(errorPolicy),
  isFatal: optional(func("callback")),
  onTaskDone: optional(func("callback")),
};
/** Of calls whose time limit is an argument of its own. */
const timeless: Partial<typeof taskScopeOptions> = { ...taskScopeOptions };
delete timeless.timeout;
const stopOptions = { reason: anything, timeout: optional(duration) };
const spawnOptions = { name: optional(text) };
const ending = { logger: optional(object("Logger", { error: func("free") })), exit: optional(func("free")) };
const guardOptions = {
  name: optional(text),
  token: optional(token),
  exitCode: optional(exitCode),
  ...ending,
};
const supervisorOptions = {
  ...taskScopeOptions,
  strategy: optional(oneOf("one-for-one", "one-for-all", "rest-for-one")),
  maxRestarts: optional({ ...count(0), good: is(0, 1, 2) }),
  withinMs: optional(duration),
  onEvent: optional(func("callback")),
};
const childSpec = {
  name: textOfSome,
  restart: optional(oneOf("permanent", "transient", "temporary")),
  backoff: optional(
    object(
      "Backoff",
      {
        initial: duration,
        max: optional(duration),
        factor: optional(range(1, Infinity)),
        jitter: optional(range(0, 1)),
      },
      { required: ["initial"] },
    ),
  ),
  stopTimeout: optional(duration),
  significant: optional(oneOf(true, false)),
};
/** Whatever is not "failures" keeps all. */
const retain: Kind = { ...oneOf("all", "failures"), takes: () => true };
/** Made into a text. */
const shown: Kind = { ...optional(text), takes: () => undefined };
/** Refused as the `name` that it becomes. */
const uniqueId: Kind = {
  ...optional(text),
  takes: (value) => (value === undefined || typeof value === "string" ? true : undefined),
};
const serviceOptions = { uniqueId, token: optional(token) };

const ScopeOptions = optional(object("ScopeOptions", scopeOptions));
const TaskScopeOptions = optional(object("TaskScopeOptions", taskScopeOptions));
const StopOptions = optional(object("StopOptions", stopOptions));
const SpawnOptions = optional(object("SpawnOptions", spawnOptions));
const SupervisorOptions = optional(object("SupervisorOptions", supervisorOptions));
const BackgroundOptions = optional(object("BackgroundOptions", { ...spawnOptions, token: optional(token) }));
const GuardOptions = optional(object("GuardOptions", guardOptions));
const MainOptions = optional(
  object("MainOptions", {
    ...ending,
    signals: optional({
      good: is("an array"),
      takes: (value) =>
        Array.isArray(value) ? value.length === 0 : Object(value) === value ? undefined : false,
    }),
    graceMs: optional(duration),
    uncaught: optional(boolean),
  }),
);

/** What a promise's methods take: functions count, and the rest does not. */
const answer: Kind = { ...func("free"), takes: () => true };

/** A task that the world knows. */
const task: Kind = {
  good: is("the task 0", "the task 1", "the task 2"),
  takes: (value, made) => ("is" in made && made.is.startsWith("the task") ? true : value instanceof Task),
};
const tasks: Kind = {
  ...iterable(task),
  good: task.good,
  takes: (value, made) => task.takes(value, made) === true || iterable(task).takes(value, made),
};

/** Opens what a method is called on: an owner with a few tasks, in some state. */
function owner(make: (options?: unknown) => unknown): (world: World, state: State) => unknown {
  return (world, state) => {
    const receiver = make() as Loose;
    const group = world.groups[0]!;
    world.adopt(group, receiver);
    if (state !== "open") {
      for (const behaviour of ["obeys its token", "ignores its token, then returns", "throws"] as const) {
        world.spawn(group, { fn: behaviour, with: "an error" });
      }
    }
    if (state === "cancelled") world.cancel("the receiver", () => receiver.cancel!("before"));
    if (state === "closed") {
      world.wait("stop before", receiver.stop!(), { group, ends: "tasks" });
    }
    return receiver;
  };
}

function method(name: string): Door["call"] {
  return (args, receiver) => receiver[name]!(...args);
}

function make(Class: unknown, args: readonly unknown[]): unknown {
  return Reflect.construct(Class as new () => object, args) as unknown;
}

function construct(Class: unknown): Door["call"] {
  return (args, _, world, group) => {
    const made = make(Class, args);
    world.adopt(group, made);
    return made;
  };
}

function call(fn: unknown): Door["call"] {
  return (args) => (fn as (...all: readonly unknown[]) => unknown)(...args);
}

function staticCall(Class: unknown, name: string): Door["call"] {
  return (args) => (Class as Loose)[name]!(...args);
}

/** Spawns a few tasks in an owner that has just been made. */
function populate(result: unknown, world: World, group: Group): void {
  if (group.owner === undefined) return;
  world.spawn(group, { fn: "throws", with: "an error" });
  world.spawn(group, { fn: "rejects", with: "an error with an unreadable message" });
  world.spawn(group, { fn: "answers its token with", with: "a frozen error" });
  void result;
}

function track(result: unknown, world: World): void {
  world.track(result);
}

/** What the owners have in common. */
function ownerDoors(
  prefix: string,
  make: (options?: unknown) => unknown,
  { spawn = SpawnOptions, told }: { spawn?: Kind; told?: { least: number; most: number } } = {},
): Door[] {
  const open = owner(make);
  const common = { open, ...(told && { told }) };
  return [
    {
      ...common,
      name: `${prefix}#spawn`,
      params: { fn: func("task"), options: spawn },
      call: method("spawn"),
      then: track,
    },
    {
      ...common,
      name: `${prefix}#cancel`,
      params: { reason: anything },
      never: true,
      call: method("cancel"),
    },
    { ...common, name: `${prefix}#join`, params: {}, promises: true, ends: "tasks", call: method("join") },
    {
      ...common,
      name: `${prefix}#stop`,
      params: { options: StopOptions },
      promises: true,
      ends: "tasks",
      call: method("stop"),
    },
    {
      ...common,
      name: `${prefix}#[Symbol.asyncDispose]`,
      params: {},
      promises: true,
      ends: "tasks",
      call: (args, receiver) => receiver[Symbol.asyncDispose]!(...args),
    },
    { ...common, name: `${prefix}#toString`, params: {}, never: true, call: method("toString") },
  ];
}

/** A task in some state. */
function openTask(world: World): unknown {
  const group = world.groups[0]!;
  world.adopt(group, new TaskScope());
  world.spawn(group, { fn: "waits, then throws", with: "an error" });
  return world.tasks[0];
}

function openToken(world: World, state: State): core.CancellationSource {
  const source = new CancellationSource();
  world.tokens.push(source.token);
  world.dispose(() => source[Symbol.dispose]());
  if (state === "cancelled") source.cancel("before");
  return source;
}

function three(world: World): void {
  // What is logged in vain is reported.
  const group = world.group("the tasks' owner", new TaskScope(), { least: 1, most: 2 });
  for (const fn of ["obeys its token", "throws", "ignores its token, then returns"] as const) {
    world.spawn(group, { fn, with: "an error" });
  }
}

const coreDoors: Door[] = [
  {
    name: "core CancellationSource",
    params: {
      options: optional(
        object("CancellationSource", { parent: optional(parents), timeout: optional(duration) }),
      ),
    },
    call: (args) => make(CancellationSource, args),
    then(result, world) {
      const source = result as core.CancellationSource;
      world.tokens.push(source.token);
      world.dispose(() => source[Symbol.dispose]());
    },
  },
  {
    name: "core CancellationSource#cancel",
    params: { reason: anything },
    never: true,
    open: openToken,
    call: method("cancel"),
  },
  {
    name: "core CancellationSource#cancelAfter",
    params: { ms: duration },
    open: openToken,
    call: method("cancelAfter"),
  },
  {
    name: "core CancellationSource#[Symbol.dispose]",
    params: {},
    never: true,
    open: openToken,
    call: (_, receiver) => receiver[Symbol.dispose]!(),
  },
  {
    name: "core CancellationToken.from",
    params: { like: token },
    call: staticCall(CancellationToken, "from"),
    then(result, world) {
      world.tokens.push(result as core.CancellationToken);
    },
  },
  {
    name: "core CancellationToken#throwIfCancelled",
    params: {},
    open: (world, state) => openToken(world, state).token,
    call: method("throwIfCancelled"),
  },
  {
    name: "core CancellationToken#onCancel",
    params: { callback: func("onCancel") },
    open: (world, state) => openToken(world, state).token,
    call: method("onCancel"),
    then(result, world) {
      world.dispose(result as () => void);
    },
  },
  {
    name: "core CancellationToken#race",
    params: { promise: { ...anything, takes: () => undefined } },
    promises: true,
    open: (world, state) => openToken(world, state).token,
    call: method("race"),
  },
  {
    name: "core CancellationToken#child",
    params: { options: optional(object("CancellationToken#child", { timeout: optional(duration) })) },
    open: (world, state) => openToken(world, state).token,
    call: method("child"),
    then(result, world) {
      world.dispose(() => (result as core.CancellationSource)[Symbol.dispose]());
    },
  },
  {
    name: "core CancellationToken#toString",
    params: {},
    never: true,
    open: (world, state) => openToken(world, state).token,
    call: method("toString"),
  },
  {
    name: "core tie",
    // For packages built on core: it takes tokens of this copy alone, and looks at nothing.
    params: {},
    open: openToken,
    call(_, source, world) {
      const [parent, child] = [new CancellationSource(), new CancellationSource()];
      world.tokens.push(parent.token, child.token);
      world.dispose(core.tie(child.token, parent.token));
      world.dispose(core.tie((source as unknown as core.CancellationSource).token, parent.token));
      parent.cancel();
    },
  },
  {
    name: "core sleep",
    params: { ms: duration, token: optional(token) },
    promises: true,
    call([ms, like]) {
      // For ever is too long.
      return core.sleep((typeof ms === "number" && ms > 1e10 ? 1e10 : ms) as never, like as never);
    },
  },
  {
    name: "core Task#cancel",
    params: { reason: anything },
    never: true,
    open: openTask,
    call: method("cancel"),
  },
  { name: "core Task#result", params: {}, open: openTask, call: method("result") },
  {
    name: "core Task#onDone",
    params: { callback: func("callback") },
    open: openTask,
    call: method("onDone"),
  },
  ...(["then", "catch", "finally"] as const).map((name): Door => ({
    name: `core Task#${name}`,
    params: name === "then" ? { onFulfilled: answer, onRejected: answer } : { callback: answer },
    open: openTask,
    call: method(name),
    then(result, world) {
      // What is derived from a task is the user's.
      (result as Promise<unknown>).catch(() => undefined);
      world.wait(name, result, { tells: false });
    },
  })),
  { name: "core Task#toString", params: {}, never: true, open: openTask, call: method("toString") },
  {
    name: "core backgroundSpawner.spawn",
    params: { fn: func("task"), options: SpawnOptions },
    call: staticCall(core.backgroundSpawner, "spawn"),
    then: track,
  },
  {
    name: "core cancelAndWait",
    params: {
      tasks,
      options: optional(object("cancelAndWait", { reason: anything, token: optional(token) })),
    },
    promises: true,
    open: three,
    call: call(core.cancelAndWait),
  },
  {
    name: "core TaskScope.run",
    params: { body: func("body"), options: TaskScopeOptions },
    promises: true,
    ends: "all",
    call: staticCall(TaskScope, "run"),
  },
  {
    name: "core TaskScope",
    params: { options: TaskScopeOptions },
    call: construct(TaskScope),
    then: populate,
  },
  {
    name: "core TaskScope#run",
    params: { body: func("body") },
    promises: true,
    ends: "all",
    open: owner(() => new TaskScope()),
    call: method("run"),
  },
  ...ownerDoors("core TaskScope", () => new TaskScope()),
  ...(["moveOnAfter", "failAfter"] as const).map((name): Door => ({
    name: `core ${name}`,
    params: { ms: duration, body: func("body"), options: optional(object("TaskScopeOptions", timeless)) },
    promises: true,
    ends: "all",
    call: call(core[name]),
  })),
  {
    name: "core CancelledError",
    params: { reason: anything, options: optional(object("CancelledError", { source: anything })) },
    call: (args) => make(core.CancelledError, args),
  },
  {
    name: "core TimeoutError",
    params: { timeout: platform, message: printable },
    call: (args) => make(core.TimeoutError, args),
  },
  ...(["InvalidStateError", "FatalError"] as const).map((name): Door => ({
    name: `core ${name}`,
    params: { message: platform, options: platform },
    call: (args) => make(core[name], args),
  })),
  {
    name: "core TaskGroupError",
    params: { errors: platform, message: printable, tasks: platform },
    call: (args) => make(core.TaskGroupError, args),
  },
  {
    name: "core TaskGroupError#split",
    params: { match: func("free") },
    open: () => new core.TaskGroupError([new Error("a"), new core.TaskGroupError([5, undefined])]),
    call: method("split"),
  },
  {
    name: "core TaskGroupError#leaves",
    params: {},
    open: () => new core.TaskGroupError([new Error("a"), new core.TaskGroupError([5, undefined])]),
    call: method("leaves"),
  },
  { name: "core isCancellation", params: { error: anything }, never: true, call: call(core.isCancellation) },
  {
    name: "core reportTaskError",
    params: { context: anything },
    never: true,
    call: call(core.reportTaskError),
  },
  {
    name: "core setTaskErrorHandler",
    params: { handler: optional(func("free")) },
    call([handler]) {
      const previous = core.setTaskErrorHandler(handler as never);
      return core.setTaskErrorHandler(previous);
    },
  },
  { name: "core setDebug", params: { on: boolean }, never: true, call: call(core.setDebug) },
  {
    name: "core observe",
    // Whatever is an object observes what it has a function for.
    params: {
      observer: object(
        "ScopeObserver",
        Object.fromEntries(
          [
            ...["scopeOpened", "scopeClosed", "taskSpawned", "taskStarted", "taskSuspended", "taskDone"],
            ...["cancelRequested", "awaited", "sleeping"],
          ].map((name) => [name, anything]),
        ),
        { required: ["taskDone"] },
      ),
    },
    call([observer]) {
      const unobserve = core.observe(observer as never);
      unobserve();
      unobserve();
    },
  },
  // For packages built on core, which call these with constants.
  {
    name: "core brand",
    params: { value: anything },
    never: true,
    call: ([value]) =>
      value instanceof core.TaskScope || value instanceof core.Task || value instanceof core.TimeoutError,
  },
  {
    name: "core readable",
    params: {},
    call: () => core.readable,
  },
  {
    name: "core wrongType",
    params: { value: platform },
    call: ([value]) => core.wrongType("value", "fit", value),
  },
  {
    name: "core checkFunction",
    params: { value: func("free") },
    call: ([value]) => core.checkFunction("value", value),
  },
  {
    name: "core checkDuration",
    params: { value: duration },
    call: ([value]) => core.checkDuration("value", value),
  },
  {
    name: "core checkCount",
    params: { value: count(1) },
    call: ([value]) => core.checkCount("value", value, 1),
  },
];

const taskgroupDoors: Door[] = [
  {
    name: "taskgroup TaskGroup.run",
    params: { body: func("body"), options: ScopeOptions },
    promises: true,
    ends: "all",
    call: staticCall(taskgroup.TaskGroup, "run"),
  },
  {
    name: "taskgroup TaskGroup.map",
    params: { items: iterable(anything, true), fn: func("task"), options: ScopeOptions },
    promises: true,
    ends: "all",
    call: staticCall(taskgroup.TaskGroup, "map"),
  },
  {
    name: "taskgroup TaskGroup",
    params: { options: ScopeOptions },
    call: construct(taskgroup.TaskGroup),
    then: populate,
  },
  ...ownerDoors("taskgroup TaskGroup", () => new taskgroup.TaskGroup()),
];

function openChild(world: World): unknown {
  const owned = new supervisor.Supervisor({ maxRestarts: 2 });
  const group = world.groups[0]!;
  world.adopt(group, owned);
  world.perform({ op: "supervise", at: 0, value: { fn: "obeys its token", with: "an error" } });
  return world.children[0];
}

/** A loop over what has ended. */
function openLoop(world: World): unknown {
  const group = world.groups[0]!;
  const fns = (["throws", "obeys its token", "waits, then returns"] as const).map((fn) =>
    world.make({ fn, with: "an error" }, func("task"), group),
  );
  const iterator = supervisor.asCompleted(fns as never) as unknown as Loose;
  world.iterators.push(iterator);
  return iterator;
}

/** Hands out what a loop gives, to its end. */
function iterate(result: unknown, world: World, group: Group): void {
  const iterator = result as AsyncIterator<core.Task<unknown>>;
  world.iterators.push(iterator as unknown as Loose);
  const all = async (): Promise<void> => {
    for (;;) {
      const step = await iterator.next();
      if (step.done === true) return;
      const { value } = step;
      if (value.status === "failed") world.tell(value.error);
      world.called();
    }
  };
  world.wait("the loop", all(), { group, ends: "all" });
}

const supervisorDoors: Door[] = [
  {
    name: "supervisor Supervisor.run",
    params: { body: func("body"), options: SupervisorOptions },
    promises: true,
    ends: "all",
    call: staticCall(supervisor.Supervisor, "run"),
  },
  {
    name: "supervisor Supervisor",
    params: { options: SupervisorOptions },
    call: construct(supervisor.Supervisor),
    then(result, world, group) {
      populate(result, world, group);
      world.perform({ op: "supervise", at: 0, value: { fn: "throws", with: "an error" } });
    },
  },
  {
    name: "supervisor Supervisor#supervise",
    params: { fn: func("task"), spec: object("ChildSpec", childSpec, { required: ["name"] }) },
    open: owner(() => new supervisor.Supervisor()),
    call: method("supervise"),
    then(result, world) {
      world.children.push(result as Loose);
    },
  },
  {
    name: "supervisor Supervisor#children",
    params: {},
    never: true,
    open: owner(() => new supervisor.Supervisor()),
    call: method("children"),
  },
  ...ownerDoors("supervisor Supervisor", () => new supervisor.Supervisor()),
  { name: "supervisor Child#stop", params: {}, promises: true, open: openChild, call: method("stop") },
  { name: "supervisor Child#restart", params: {}, promises: true, open: openChild, call: method("restart") },
  {
    name: "supervisor RestartLimitError",
    params: { message: platform, options: platform },
    call: (args) => make(supervisor.RestartLimitError, args),
  },
  {
    name: "supervisor asCompleted",
    params: { fns: iterable(func("task"), true), options: ScopeOptions },
    call: call(supervisor.asCompleted),
    then: iterate,
  },
  ...(["next", "return", "throw"] as const).map((name): Door => ({
    name: `supervisor CompletedTasks#${name}`,
    params: name === "throw" ? { error: anything } : {},
    promises: true,
    told: { least: 0, most: 1 },
    open: openLoop,
    call: ([error], receiver, world) => receiver[name]!(name === "throw" ? world.own(error) : undefined),
  })),
  {
    name: "supervisor CompletedTasks#[Symbol.asyncDispose]",
    params: {},
    promises: true,
    open: openLoop,
    call: (_, receiver) => receiver[Symbol.asyncDispose]!(),
  },
  {
    name: "supervisor CompletedTasks#[Symbol.asyncIterator]",
    params: {},
    open: openLoop,
    call: (_, receiver) => receiver[Symbol.asyncIterator]!(),
  },
  {
    name: "supervisor gather",
    params: { fns: iterable(func("task")), options: ScopeOptions },
    promises: true,
    call: call(supervisor.gather),
    then(result, world, group) {
      const tell = (results: PromiseSettledResult<unknown>[]): void => {
        for (const one of results) if (one.status === "rejected") world.tell(one.reason);
      };
      world.wait("gather", (result as Promise<PromiseSettledResult<unknown>[]>).then(tell), {
        group,
        ends: "all",
      });
    },
  },
  {
    name: "supervisor race",
    params: {
      fns: iterable(func("task")),
      options: optional(
        object("RaceOptions", {
          ...scopeOptions,
          continueOnError: optional(boolean),
          stagger: optional(duration),
        }),
      ),
    },
    promises: true,
    call: call(supervisor.race),
    then(result, world, group) {
      const tell = ({ errors }: { errors: unknown[] }): void => {
        for (const error of errors) world.tell(error);
      };
      world.wait("race", (result as Promise<{ errors: unknown[] }>).then(tell), { group, ends: "all" });
    },
  },
];

const persistentSpawnOptions = optional(
  object("PersistentSpawnOptions", { name: shown, logError: optional(boolean) }),
);
/** Logged when they happen, and told by `join` or `stop`, unless somebody has acknowledged them. */
const kept = { least: 0, most: 3 };

const persistentOptions = {
  ...serviceOptions,
  spawner: optional({
    good: is("a spawner", "a spawner that throws"),
    takes: () => undefined,
  } satisfies Kind),
  retain,
};

const spawners: Door["values"] = {
  "a spawner": () => new TaskScope(),
  "a spawner that throws": (world) => ({
    spawn() {
      throw world.own(new Error("of the spawner"));
    },
  }),
};

let mains: Loose | undefined;

class Service extends persistent.ServiceBase {
  protected async main(own: core.CancellationToken): Promise<void> {
    await mains?.["main"]?.(own);
  }
}

function service(world: World): unknown {
  const group = world.groups[0]!;
  mains = { main: world.make({ fn: "obeys its token", with: "an error" }, func("task"), group) } as Loose;
  return new Service();
}

function openServices(world: World): persistent.ServiceGroup {
  const services = [service(world), service(world)] as persistent.Service[];
  const opened = new persistent.ServiceGroup(services, { stopTimeout: 50 });
  world.adopt(world.groups[0]!, opened);
  return opened;
}

const persistentDoors: Door[] = [
  {
    name: "persistent PersistentTaskGroup.run",
    params: {
      body: func("body"),
      options: optional(object("PersistentTaskGroupOptions", persistentOptions)),
    },
    values: spawners,
    promises: true,
    ends: "all",
    told: kept,
    call: staticCall(persistent.PersistentTaskGroup, "run"),
  },
  {
    name: "persistent PersistentTaskGroup",
    params: { options: optional(object("PersistentTaskGroupOptions", persistentOptions)) },
    values: spawners,
    told: kept,
    call: construct(persistent.PersistentTaskGroup),
    then: populate,
  },
  ...ownerDoors("persistent PersistentTaskGroup", () => new persistent.PersistentTaskGroup(), {
    spawn: persistentSpawnOptions,
    told: kept,
  }),
  {
    name: "persistent PersistentTaskGroup#asCompleted",
    params: { options: optional(object("PersistentTaskGroup#asCompleted", { timeout: optional(duration) })) },
    told: kept,
    open: owner(() => new persistent.PersistentTaskGroup()),
    call: method("asCompleted"),
    then(result, world) {
      const iterator = result as Loose;
      world.iterators.push(iterator);
      world.wait("next", iterator.next!(), { tells: false });
    },
  },
  {
    name: "persistent PersistentTaskGroup#acknowledge",
    params: { task: anything },
    never: true,
    told: kept,
    open: owner(() => new persistent.PersistentTaskGroup()),
    call: method("acknowledge"),
  },
  {
    name: "persistent ServiceBase",
    params: {
      options: optional(object("ServiceBaseOptions", { ...serviceOptions, retain })),
    },
    told: kept,
    call: construct(Service),
    then: populate,
  },
  ...ownerDoors("persistent ServiceBase", () => new Service(), { spawn: persistentSpawnOptions, told: kept }),
  ...(["start", "ended"] as const).map((name): Door => ({
    name: `persistent ServiceBase#${name}`,
    params: {},
    told: kept,
    promises: name === "ended",
    open(world) {
      const opened = service(world);
      world.adopt(world.groups[0]!, opened);
      return opened;
    },
    call: method(name),
  })),
  {
    name: "persistent ServiceGroup",
    params: {
      services: { ...iterable({ ...anything, good: is("a service") }), takes: () => undefined },
      options: optional(
        object("ServiceGroupOptions", {
          ...serviceOptions,
          startTimeout: optional(duration),
          stopTimeout: optional(duration),
          onEnd: optional(func("free")),
          restartDelay: optional(duration),
        }),
      ),
    },
    told: kept,
    values: { "a service": service },
    call: construct(persistent.ServiceGroup),
    then(result, world) {
      world.call("start", () => (result as persistent.ServiceGroup).start());
    },
  },
  {
    name: "persistent ServiceGroup#ready",
    params: {},
    promises: true,
    told: kept,
    open: openServices,
    call(_, receiver, world) {
      world.call("start", () => receiver.start!());
      return receiver.ready!();
    },
  },
];

/** Its failures are logged, not told. */
const logged = { least: 0, most: 1 };

const guardedDoors: Door[] = [
  {
    name: "guarded spawn",
    params: { fn: func("task"), options: BackgroundOptions },
    call: call(guarded.spawn),
    then: track,
  },
  { name: "guarded backgroundTasks", params: {}, never: true, call: call(guarded.backgroundTasks) },
  {
    name: "guarded stopBackgroundTasks",
    params: { options: StopOptions },
    promises: true,
    open: (world) => {
      world.perform({ op: "background", at: 0, value: { fn: "obeys its token", with: "an error" } });
    },
    call: call(guarded.stopBackgroundTasks),
  },
  {
    name: "guarded spawnGuarded",
    params: { fn: func("task"), options: GuardOptions },
    told: logged,
    call: call(guarded.spawnGuarded),
    then: track,
  },
  {
    name: "guarded exitOnError",
    params: {
      task,
      options: optional(object("GuardOptions", { ...guardOptions, name: shown, token: anything })),
    },
    open: three,
    call: call(guarded.exitOnError),
  },
  {
    name: "guarded runMain",
    params: { main: func("body"), options: MainOptions },
    promises: true,
    told: logged,
    call: call(guarded.runMain),
  },
  {
    name: "guarded ExitError",
    params: { exitCode, message: platform },
    call: (args) => make(guarded.ExitError, args),
  },
  {
    name: "guarded SafeExitError",
    params: { message: platform, options: platform },
    call: (args) => make(guarded.SafeExitError, args),
  },
];

export const doors: readonly Door[] = [
  ...coreDoors,
  ...taskgroupDoors,
  ...supervisorDoors,
  ...persistentDoors,
  ...guardedDoors,
];
