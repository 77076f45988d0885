import { getEventListeners } from "node:events";
import {
  CancellationSource,
  CancellationToken,
  TaskScope,
  backgroundSpawner,
  cancelAndWait,
  failAfter,
  moveOnAfter,
  setTaskErrorHandler,
  sleep,
  type ScopeOptions,
  type Task,
  type TokenLike,
} from "@scope/core";
import { flushMicrotasks } from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

/** Values that do not fit, and the class of error that says so. */
interface Kind {
  expected: RegExp;
  wrong: (readonly [value: unknown, kind: typeof TypeError | typeof RangeError])[];
}

function wrongTypes(...values: unknown[]): Kind["wrong"] {
  return values.map((value) => [value, TypeError] as const);
}

function outOfRange(...values: number[]): Kind["wrong"] {
  return values.map((value) => [value, RangeError] as const);
}

const duration: Kind = {
  expected: /milliseconds >= 0/,
  wrong: [
    ...outOfRange(-1, -0.001, -Infinity, NaN),
    ...wrongTypes("5", "", null, true, 5n, {}, [5], new Date(0), Symbol("5"), () => 5),
  ],
};
const count: Kind = {
  expected: /integer >= 1/,
  wrong: [...outOfRange(0, -1, 1.5, NaN, -Infinity), ...wrongTypes("2", null, false, 2n, {}, [2])],
};
const aFunction: Kind = {
  expected: /function/,
  wrong: wrongTypes(null, 5, "fn", {}, [], Promise.resolve(), Symbol("fn")),
};
const aToken: Kind = {
  expected: /CancellationToken.*AbortSignal/,
  wrong: wrongTypes(
    null,
    5,
    "signal",
    true,
    {},
    () => undefined,
    new EventTarget(),
    // Near misses: who may cancel, in place of what tells.
    new AbortController(),
    new CancellationSource(),
  ),
};
const aName: Kind = {
  expected: /string/,
  wrong: wrongTypes(null, 5, {}, ["name"], () => "name", Symbol("n")),
};
const aPolicy: Kind = {
  expected: /"report".*"ignore".*function/,
  wrong: wrongTypes(null, "Report", "", 5, {}),
};
const tasks: Kind = { expected: /task/, wrong: wrongTypes(undefined, null, 5, "t", {}, () => undefined) };

/** Not optional: `undefined` does not fit either. */
function required(kind: Kind): Kind {
  return { ...kind, wrong: [...kind.wrong, ...wrongTypes(undefined)] };
}

interface Row {
  /** The call, for the name of the test. */
  call: string;
  /** What the message must name. */
  argument: string;
  kind: Kind;
  with: (value: never) => unknown;
}

/** What must not have been called by the time of the refusal. */
const work = vi.fn();
/** A signal that stands beside the bad argument: it must not have been listened to. */
let outer: AbortController;
let scope: TaskScope;
let live: Task<void>;

beforeEach(() => {
  vi.useFakeTimers();
  work.mockClear();
  outer = new AbortController();
  scope = new TaskScope();
  live = scope.spawn((token) => sleep(Infinity, token));
});

afterEach(async () => {
  await scope.stop();
});

function nothingStarted(): void {
  expect(work).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(outer.signal, "abort")).toHaveLength(0);
  expect(scope.size).toBe(1);
  expect(live.cancelRequested).toBe(false);
}

function describes(
  error: unknown,
  row: Row,
  value: unknown,
  kind: typeof TypeError | typeof RangeError,
): void {
  expect(error).toBeInstanceOf(kind);
  const { message } = error as Error;
  expect(message).toMatch(new RegExp(`\\b${row.argument}\\b`));
  expect(message).toMatch(row.kind.expected);
  const came = Object(value) === value ? typeof value : String(value);
  expect(message.slice(message.indexOf("got"))).toContain(came);
}

function byCall(rows: readonly Row[]): [call: string, row: Row][] {
  return rows.map((row) => [row.call, row]);
}

const synchronous: Row[] = [
  {
    call: "new CancellationSource({ timeout })",
    argument: "timeout",
    kind: duration,
    with: (timeout) => new CancellationSource({ parent: outer.signal, timeout }),
  },
  {
    call: "new CancellationSource({ parent })",
    argument: "parent",
    kind: aToken,
    with: (parent) => new CancellationSource({ parent, timeout: 1000 }),
  },
  {
    call: "new CancellationSource({ parent: [token, parent] })",
    argument: "parent",
    kind: required(aToken),
    with: (parent) => new CancellationSource({ parent: [outer.signal, parent], timeout: 1000 }),
  },
  {
    call: "source.cancelAfter(ms)",
    argument: "ms",
    kind: required(duration),
    with: (ms) => {
      new CancellationSource({ parent: live.token }).cancelAfter(ms);
    },
  },
  {
    call: "CancellationToken.from(like)",
    argument: "like",
    kind: required(aToken),
    with: (like) => CancellationToken.from(like),
  },
  {
    call: "token.onCancel(callback)",
    argument: "callback",
    kind: required(aFunction),
    with: (callback) => CancellationToken.from(outer.signal).onCancel(callback),
  },
  {
    call: "token.child({ timeout })",
    argument: "timeout",
    kind: duration,
    with: (timeout) => CancellationToken.from(outer.signal).child({ timeout }),
  },
  {
    call: "task.onDone(callback)",
    argument: "callback",
    kind: required(aFunction),
    with: (callback) => live.onDone(callback),
  },
  { call: "scope.spawn(fn)", argument: "fn", kind: required(aFunction), with: (fn) => scope.spawn(fn) },
  {
    call: "scope.spawn(fn, { name })",
    argument: "name",
    kind: aName,
    with: (name) => scope.spawn(work, { name }),
  },
  {
    call: "backgroundSpawner.spawn(fn)",
    argument: "fn",
    kind: required(aFunction),
    with: (fn) => backgroundSpawner.spawn(fn),
  },
  {
    call: "backgroundSpawner.spawn(fn, { name })",
    argument: "name",
    kind: aName,
    with: (name) => backgroundSpawner.spawn(work, { name }),
  },
  {
    call: "setTaskErrorHandler(handler)",
    argument: "handler",
    kind: aFunction,
    with: (handler) => setTaskErrorHandler(handler),
  },
];

const scopeOptions: { argument: keyof ScopeOptions; kind: Kind }[] = [
  { argument: "name", kind: aName },
  { argument: "token", kind: aToken },
  { argument: "timeout", kind: duration },
  { argument: "concurrency", kind: count },
];
const taskScopeOptions: { argument: string; kind: Kind }[] = [
  ...scopeOptions,
  { argument: "onError", kind: aPolicy },
  { argument: "isFatal", kind: aFunction },
  { argument: "onTaskDone", kind: aFunction },
];
for (const { argument, kind } of taskScopeOptions) {
  synchronous.push({
    call: `new TaskScope({ ${argument} })`,
    argument,
    kind,
    with: (value) => new TaskScope({ token: outer.signal, timeout: 1000, [argument]: value }),
  });
}

const promised: Row[] = [
  { call: "sleep(ms)", argument: "ms", kind: required(duration), with: (ms) => sleep(ms, outer.signal) },
  { call: "sleep(1, token)", argument: "token", kind: aToken, with: (token) => sleep(1, token) },
  {
    call: "TaskScope.run(body)",
    argument: "body",
    kind: required(aFunction),
    with: (body) => TaskScope.run(body, { token: outer.signal, timeout: 1000 }),
  },
  {
    call: "scope.stop({ timeout })",
    argument: "timeout",
    kind: duration,
    with: (timeout) => scope.stop({ timeout }),
  },
  {
    call: "moveOnAfter(ms, body)",
    argument: "ms",
    kind: required(duration),
    with: (ms) => moveOnAfter(ms, work, { token: outer.signal }),
  },
  {
    call: "moveOnAfter(1000, body)",
    argument: "body",
    kind: required(aFunction),
    with: (body) => moveOnAfter(1000, body, { token: outer.signal }),
  },
  {
    call: "failAfter(ms, body)",
    argument: "ms",
    kind: required(duration),
    with: (ms) => failAfter(ms, work, { token: outer.signal }),
  },
  {
    call: "failAfter(1000, body)",
    argument: "body",
    kind: required(aFunction),
    with: (body) => failAfter(1000, body, { token: outer.signal }),
  },
  { call: "cancelAndWait(tasks)", argument: "tasks", kind: tasks, with: (value) => cancelAndWait(value) },
  {
    call: "cancelAndWait([task, tasks])",
    argument: "tasks",
    kind: tasks,
    with: (value) => cancelAndWait([live, value]),
  },
  {
    call: "cancelAndWait(task, { token })",
    argument: "token",
    kind: aToken,
    with: (token) => cancelAndWait(live, { token }),
  },
];
for (const { argument, kind } of taskScopeOptions) {
  promised.push({
    call: `TaskScope.run(body, { ${argument} })`,
    argument,
    kind,
    with: (value) => TaskScope.run(work, { token: outer.signal, timeout: 1000, [argument]: value }),
  });
  if (argument === "timeout") continue;
  promised.push(
    {
      call: `moveOnAfter(1000, body, { ${argument} })`,
      argument,
      kind,
      with: (value) => moveOnAfter(1000, work, { token: outer.signal, [argument]: value }),
    },
    {
      call: `failAfter(1000, body, { ${argument} })`,
      argument,
      kind,
      with: (value) => failAfter(1000, work, { token: outer.signal, [argument]: value }),
    },
  );
}

describe("a bad argument (L11)", () => {
  it.each(byCall(synchronous))("is refused by %s, synchronously, before anything has started", (_, row) => {
    for (const [value, kind] of row.kind.wrong) {
      let thrown: unknown;
      try {
        row.with(value as never);
      } catch (error) {
        thrown = error;
      }
      describes(thrown, row, value, kind);
      nothingStarted();
    }
  });

  it.each(byCall(promised))(
    "is refused by %s, as a rejection, before anything has started",
    async (_, row) => {
      for (const [value, kind] of row.kind.wrong) {
        let promise: unknown;
        expect(() => {
          promise = row.with(value as never);
        }).not.toThrow();
        expect(promise).toBeInstanceOf(Promise);
        const outcomes = await Promise.allSettled([promise]);
        describes((outcomes[0] as PromiseRejectedResult).reason, row, value, kind);
        nothingStarted();
      }
    },
  );

  it("reads well", async () => {
    const messages: string[] = [];
    const refused = async (call: () => unknown): Promise<void> => {
      try {
        await call();
      } catch (error) {
        messages.push(String(error));
      }
    };
    await refused(() => sleep(-1));
    await refused(() => sleep("5" as never));
    await refused(() => new TaskScope({ concurrency: 0 }));
    await refused(() => new TaskScope({ token: new AbortController() as never }));
    await refused(() => scope.spawn(work() as never));
    await refused(() => new TaskScope({ onError: "Report" as never }));
    await refused(() => cancelAndWait([{}] as never));
    work.mockClear();
    expect(messages.join("\n")).toMatchInlineSnapshot(`
      "RangeError: Expected \`ms\` to be milliseconds >= 0, got -1 (number)
      TypeError: Expected \`ms\` to be milliseconds >= 0, got 5 (string)
      RangeError: Expected \`concurrency\` to be an integer >= 1 or Infinity, got 0 (number)
      TypeError: Expected \`token\` to be a CancellationToken or an AbortSignal, got [object AbortController] (object)
      TypeError: Expected \`fn\` to be a function, got undefined (undefined)
      TypeError: Expected \`onError\` to be "report", "ignore" or a function, got Report (string)
      TypeError: Expected \`tasks\` to be a task, or tasks, got [object Object] (object)"
    `);
  });
});

describe("an argument at the edge of what fits (L11)", () => {
  it.each<[string, number]>([
    ["0", 0],
    ["-0", -0],
    ["0.5", 0.5],
    ["2 ** 31", 2 ** 31],
    ["Number.MAX_VALUE", Number.MAX_VALUE],
    ["Infinity", Infinity],
  ])("is a duration: %s", async (_, ms) => {
    const source = new CancellationSource({ timeout: ms });
    source.cancelAfter(ms);
    expect(source.token.cancelRequested).toBe(ms === 0);
    source.cancel();
    await expect(sleep(ms, AbortSignal.abort("before"))).rejects.toMatchObject({ reason: "before" });
    const other = new TaskScope({ timeout: ms });
    expect(other.cancelRequested).toBe(ms === 0);
    const [outcome] = await Promise.allSettled([other.stop({ timeout: ms })]);
    // A scope whose time is up from the start ends in that.
    expect(outcome.status).toBe(ms === 0 ? "rejected" : "fulfilled");
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([1, 2, Number.MAX_SAFE_INTEGER, Infinity])("is a concurrency: %d", async (concurrency) => {
    await expect(TaskScope.run((inner) => inner.spawn(() => 7), { concurrency })).resolves.toBe(7);
  });

  it("is undefined where something is optional", async () => {
    const nothing = {
      name: undefined,
      token: undefined,
      shield: undefined,
      timeout: undefined,
      concurrency: undefined,
      onError: undefined,
      isFatal: undefined,
      onTaskDone: undefined,
    };
    await expect(TaskScope.run(() => "value", nothing)).resolves.toBe("value");
    const source = new CancellationSource({ parent: undefined, timeout: undefined });
    expect(source.token.child({ timeout: undefined }).token.cancelRequested).toBe(false);
    const other = new TaskScope(nothing);
    await other.stop({ reason: undefined, timeout: undefined });
    await expect(cancelAndWait([], { reason: undefined, token: undefined })).resolves.toBeUndefined();
    const slept = sleep(0, undefined);
    await vi.advanceTimersByTimeAsync(1);
    await slept;
  });

  it("is an empty name", async () => {
    await expect(
      TaskScope.run((inner) => inner.spawn(() => inner.name, { name: "" }).then((value) => [value]), {
        name: "",
      }),
    ).resolves.toEqual([""]);
  });

  it("is the token of anything that can be followed", async () => {
    const likes: TokenLike[] = [
      CancellationToken.none,
      new CancellationSource().token,
      new AbortController().signal,
      CancellationToken.none.signal,
    ];
    for (const token of likes) await expect(TaskScope.run(() => "value", { token })).resolves.toBe("value");
    await flushMicrotasks();
    expect(vi.getTimerCount()).toBe(0);
  });
});
