import { getEventListeners } from "node:events";
import * as taskgroup from "@scope/taskgroup";
import { TaskGroup } from "@scope/taskgroup";
import { beforeEach, describe, expect, it, vi } from "vitest";

describe("@scope/taskgroup", () => {
  it("exports this and nothing else", () => {
    expect(Object.keys(taskgroup).sort()).toMatchInlineSnapshot(`
      [
        "TaskGroup",
      ]
    `);
  });
});

type ErrorKind = typeof TypeError | typeof RangeError;

const aName: [unknown, ErrorKind][] = [null, 5, {}].map((value) => [value, TypeError]);
const aToken: [unknown, ErrorKind][] = [null, 5, {}, new AbortController()].map((value) => [
  value,
  TypeError,
]);
const duration: [unknown, ErrorKind][] = [
  [-1, RangeError],
  [NaN, RangeError],
  ["5", TypeError],
  [null, TypeError],
];
const count: [unknown, ErrorKind][] = [
  [0, RangeError],
  [1.5, RangeError],
  ["2", TypeError],
  [null, TypeError],
];
const aFunction: [unknown, ErrorKind][] = [undefined, null, 5, {}, Promise.resolve()].map((value) => [
  value,
  TypeError,
]);
const items: [unknown, ErrorKind][] = [undefined, null, 5, {}, () => undefined].map((value) => [
  value,
  TypeError,
]);

const options: [argument: string, wrong: [unknown, ErrorKind][]][] = [
  ["name", aName],
  ["token", aToken],
  ["timeout", duration],
  ["concurrency", count],
];

describe("a bad argument of TaskGroup (L11)", () => {
  const work = vi.fn(() => 1);
  let outer: AbortController;

  beforeEach(() => {
    vi.useFakeTimers();
    work.mockClear();
    outer = new AbortController();
  });

  function nothingStarted(): void {
    expect(work).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(outer.signal, "abort")).toHaveLength(0);
  }

  /** With everything that a refused call must not have touched. */
  function withOptions(argument: string, value: unknown): object {
    return { token: outer.signal, timeout: 1000, [argument]: value };
  }

  const synchronous: [
    call: string,
    argument: string,
    wrong: [unknown, ErrorKind][],
    (value: never) => unknown,
  ][] = [
    ...options.map(
      ([argument, wrong]) =>
        [
          `new TaskGroup({ ${argument} })`,
          argument,
          wrong,
          (value: never) => new TaskGroup(withOptions(argument, value)),
        ] as (typeof synchronous)[number],
    ),
    ["group.spawn(fn)", "fn", aFunction, (fn) => new TaskGroup().spawn(fn)],
    ["group.spawn(fn, { name })", "name", aName, (name) => new TaskGroup().spawn(work, { name })],
  ];

  it.each(synchronous)(
    "is refused by %s, synchronously, before anything has started",
    (_, argument, wrong, call) => {
      for (const [value, kind] of wrong) {
        let thrown: unknown;
        try {
          call(value as never);
        } catch (error) {
          thrown = error;
        }
        expect(thrown).toBeInstanceOf(kind);
        expect((thrown as Error).message).toMatch(new RegExp(`\\b${argument}\\b.*, got `));
        nothingStarted();
      }
    },
  );

  const promised: typeof synchronous = [
    ["TaskGroup.run(body)", "body", aFunction, (body) => TaskGroup.run(body, withOptions("name", "group"))],
    [
      "TaskGroup.map(items, fn)",
      "items",
      items,
      (value) => TaskGroup.map(value, work, withOptions("name", "group")),
    ],
    ["TaskGroup.map([1], fn)", "fn", aFunction, (fn) => TaskGroup.map([1], fn, withOptions("name", "group"))],
    ...options.flatMap(
      ([argument, wrong]) =>
        [
          [
            `TaskGroup.run(body, { ${argument} })`,
            argument,
            wrong,
            (value: never) => TaskGroup.run(work, withOptions(argument, value)),
          ],
          [
            `TaskGroup.map([1], fn, { ${argument} })`,
            argument,
            wrong,
            (value: never) => TaskGroup.map([1], work, withOptions(argument, value)),
          ],
        ] as typeof synchronous,
    ),
    ["group.stop({ timeout })", "timeout", duration, (timeout) => new TaskGroup().stop({ timeout })],
  ];

  it.each(promised)(
    "is refused by %s, as a rejection, before anything has started",
    async (_, argument, wrong, call) => {
      for (const [value, kind] of wrong) {
        let promise: unknown;
        expect(() => {
          promise = call(value as never);
        }).not.toThrow();
        expect(promise).toBeInstanceOf(Promise);
        const error: unknown = await (promise as Promise<unknown>).catch((caught: unknown) => caught);
        expect(error).toBeInstanceOf(kind);
        expect((error as Error).message).toMatch(new RegExp(`\\b${argument}\\b.*, got `));
        nothingStarted();
      }
    },
  );
});
