import { inspect } from "node:util";
import { CancelledError, FatalError, TaskGroupError, TaskScope, TimeoutError, type Task } from "@scope/core";
import { describe, expect, it } from "vitest";

async function finished(names: readonly string[]): Promise<Task<unknown>[]> {
  return TaskScope.run((scope) => names.map((name) => scope.spawn(() => name, { name })));
}

describe("TaskGroupError", () => {
  it("hides its tasks from printers, as it does its errors", () => {
    expect(Object.keys(new TaskGroupError([new Error("a")], "outer", [undefined]))).toEqual([]);
  });

  it("is an AggregateError of its members, in their order", () => {
    const errors = [new Error("a"), "b", undefined];
    const error = new TaskGroupError(errors);
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.name).toBe("TaskGroupError");
    expect(error.errors).toEqual(errors);
    errors.pop();
    expect(error.errors).toHaveLength(3);
  });

  it("takes any iterable of errors and of tasks", async () => {
    const tasks = await finished(["one", "two"]);
    const errors = [new Error("a"), new Error("b")];
    const error = new TaskGroupError(new Set(errors), "several", tasks.values());
    expect(error.errors).toEqual(errors);
    expect(error.tasks).toEqual(tasks);
  });

  it("is printed with its members", () => {
    const printed = inspect(new TaskGroupError([new Error("the first one"), new TypeError("the other one")]));
    expect(printed).toContain("the first one");
    expect(printed).toContain("TypeError: the other one");
  });

  describe("message", () => {
    it("counts the members and shows the first three, one a line", () => {
      const letters = ["a", "b", "c", "d"].map((letter) => new Error(`failure ${letter}`));
      expect(new TaskGroupError(letters, 'unhandled errors in TaskGroup "ingest"').message)
        .toMatchInlineSnapshot(`
          "unhandled errors in TaskGroup "ingest" (4 sub-errors)
          failure a
          failure b
          failure c"
        `);
      expect(new TaskGroupError(letters.slice(0, 2), 'unhandled errors in TaskGroup "ingest"').message)
        .toMatchInlineSnapshot(`
          "unhandled errors in TaskGroup "ingest" (2 sub-errors)
          failure a
          failure b"
        `);
    });

    it("speaks of one sub-error in the singular", () => {
      expect(new TaskGroupError([new Error("alone")], 'unhandled errors in TaskGroup "ingest"').message)
        .toMatchInlineSnapshot(`
          "unhandled errors in TaskGroup "ingest" (1 sub-error)
          alone"
        `);
    });

    it("has a first line of its own when none is given, and counts to nought", () => {
      expect(new TaskGroupError([]).message).toMatchInlineSnapshot(`"unhandled errors (0 sub-errors)"`);
    });

    it("shows the first line of a member with several", () => {
      const error = new TaskGroupError(
        [new Error("first line\nsecond line\nthird"), new Error("next")],
        "two",
      );
      expect(error.message).toMatchInlineSnapshot(`
        "two (2 sub-errors)
        first line
        next"
      `);
    });

    it("shows members that are no errors", () => {
      const members = ["text", 404, null];
      expect(new TaskGroupError(members, "three").message).toMatchInlineSnapshot(`
        "three (3 sub-errors)
        text
        404
        null"
      `);
      expect(new TaskGroupError([undefined, Symbol("s"), { a: 1 }], "three").message).toMatchInlineSnapshot(`
          "three (3 sub-errors)
          undefined
          Symbol(s)
          [object Object]"
        `);
    });

    it("shows the head of a nested group", () => {
      const inner = new TaskGroupError(
        [new Error("a"), new Error("b")],
        'unhandled errors in TaskGroup "inner"',
      );
      expect(new TaskGroupError([inner, new Error("c")], 'unhandled errors in TaskGroup "outer"').message)
        .toMatchInlineSnapshot(`
          "unhandled errors in TaskGroup "outer" (2 sub-errors)
          unhandled errors in TaskGroup "inner" (2 sub-errors)
          c"
        `);
    });

    const refuse = (): never => {
      throw new Error("trap");
    };
    it.each<[string, () => unknown]>([
      ["an object without a prototype", () => Object.create(null) as unknown],
      ["an object whose toString throws", () => ({ toString: refuse })],
      [
        "an error whose message cannot be read",
        () => Object.defineProperty(new Error(), "message", { get: refuse }),
      ],
      ["an error whose message is no string", () => Object.assign(new Error(), { message: Symbol("odd") })],
      [
        "a revoked proxy",
        () => {
          const { proxy, revoke } = Proxy.revocable({}, {});
          revoke();
          return proxy;
        },
      ],
    ])("can be made of anything that was thrown: %s", (_, make) => {
      const member = make();
      const error = new TaskGroupError([member, new Error("next")], "two");
      expect(Object.is(error.errors[0], member)).toBe(true);
      expect(error.message.split("\n")).toHaveLength(3);
      expect(error.message).toMatch(/^two \(2 sub-errors\)\n[^]*\nnext$/);
    });
  });

  describe("tasks", () => {
    it("stand parallel to the errors; the body's is undefined", async () => {
      const [one, two] = await finished(["one", "two"]);
      const error = new TaskGroupError([new Error("a"), new Error("body"), new Error("b")], "three", [
        one,
        undefined,
        two,
      ]);
      expect(error.tasks).toEqual([one, undefined, two]);
    });

    it("are undefined where none are given, as many as there are errors", async () => {
      const [one, two] = await finished(["one", "two"]);
      expect(new TaskGroupError([1, 2]).tasks).toEqual([undefined, undefined]);
      expect(new TaskGroupError([1, 2], "two", [one]).tasks).toEqual([one, undefined]);
      expect(new TaskGroupError([1], "one", [one, two]).tasks).toEqual([one]);
    });
  });

  describe("leaves", () => {
    it("are the single failures, nested groups opened, in order", () => {
      const [a, b, c, d] = ["a", "b", "c", "d"].map((letter) => new Error(letter));
      const error = new TaskGroupError([
        a,
        new TaskGroupError([new TaskGroupError([b]), "text", new TaskGroupError([])]),
        c,
        undefined,
        d,
      ]);
      expect(error.leaves()).toEqual([a, b, "text", c, undefined, d]);
    });

    it("take other aggregates as single failures", () => {
      const aggregate = new AggregateError([new Error("inside")]);
      expect(new TaskGroupError([aggregate]).leaves()).toEqual([aggregate]);
    });
  });

  describe("split", () => {
    const timeout = new TimeoutError(5);
    const range = new RangeError("range");
    const type = new TypeError("type");

    it("parts by class", () => {
      const [matching, rest] = new TaskGroupError([timeout, range, type]).split(TimeoutError);
      expect(matching?.errors).toEqual([timeout]);
      expect(rest?.errors).toEqual([range, type]);
    });

    it("parts by class with subclasses: Error takes all errors, and no other values", () => {
      const [matching, rest] = new TaskGroupError([timeout, "text", range]).split(Error);
      expect(matching?.errors).toEqual([timeout, range]);
      expect(rest?.errors).toEqual(["text"]);
    });

    it("parts by a class of the user's, also of the branded ones", () => {
      class Exit extends FatalError {}
      const exit = new Exit();
      const fatal = new FatalError();
      const [exits, others] = new TaskGroupError([exit, fatal]).split(Exit);
      expect(exits?.errors).toEqual([exit]);
      expect(others?.errors).toEqual([fatal]);
      const [fatals] = new TaskGroupError([exit, fatal, range]).split(FatalError);
      expect(fatals?.errors).toEqual([exit, fatal]);
    });

    it("parts by predicate, an arrow or an ordinary function", () => {
      const error = new TaskGroupError([timeout, range, "text"]);
      expect(error.split((each) => each === range)[0]?.errors).toEqual([range]);
      const isText = function (each: unknown): boolean {
        return typeof each === "string";
      };
      expect(error.split(isText)[0]?.errors).toEqual(["text"]);
    });

    it("asks a predicate about every single failure once, and about no group", () => {
      const asked: unknown[] = [];
      new TaskGroupError([timeout, new TaskGroupError([range, new TaskGroupError([type])]), undefined]).split(
        (each) => {
          asked.push(each);
          return asked.length % 2 === 0;
        },
      );
      expect(asked).toEqual([timeout, range, type, undefined]);
    });

    it("gives undefined for an empty half", () => {
      const error = new TaskGroupError([range]);
      const [timeouts, others] = error.split(TimeoutError);
      expect(timeouts).toBeUndefined();
      expect(others?.errors).toEqual([range]);
      const [ranges, none] = error.split(RangeError);
      expect(ranges?.errors).toEqual([range]);
      expect(none).toBeUndefined();
    });

    it("keeps the nesting, leaves out what is empty, and counts anew", () => {
      const error = new TaskGroupError(
        [
          timeout,
          new TaskGroupError([range, new TaskGroupError([timeout, type], "innermost")], "inner"),
          new TaskGroupError([type], "only types"),
        ],
        'unhandled errors in TaskGroup "outer"',
      );
      const [timeouts, others] = error.split(TimeoutError);
      expect(timeouts?.message).toMatchInlineSnapshot(`
        "unhandled errors in TaskGroup "outer" (2 sub-errors)
        Timed out after 5 ms
        inner (1 sub-error)"
      `);
      expect(others?.message).toMatchInlineSnapshot(`
        "unhandled errors in TaskGroup "outer" (2 sub-errors)
        inner (2 sub-errors)
        only types (1 sub-error)"
      `);
      expect(timeouts?.errors).toHaveLength(2);
      const innerTimeouts = timeouts?.errors[1] as TaskGroupError;
      expect(innerTimeouts.message).toMatchInlineSnapshot(`
        "inner (1 sub-error)
        innermost (1 sub-error)"
      `);
      expect((innerTimeouts.errors[0] as TaskGroupError).errors).toEqual([timeout]);
      const innerOthers = others?.errors[0] as TaskGroupError;
      expect(innerOthers.errors[0]).toBe(range);
      expect((innerOthers.errors[1] as TaskGroupError).message).toMatchInlineSnapshot(`
        "innermost (1 sub-error)
        type"
      `);
      expect(timeouts?.leaves()).toEqual([timeout, timeout]);
      expect(others?.leaves()).toEqual([range, type, type]);
    });

    it("keeps each failure with its task", async () => {
      const [one, two, three] = await finished(["one", "two", "three"]);
      const nested = new TaskGroupError([timeout, type], "inner", [two, undefined]);
      const error = new TaskGroupError([range, nested, timeout], "outer", [one, three, undefined]);
      const [timeouts, others] = error.split(TimeoutError);
      expect(timeouts?.tasks).toEqual([three, undefined]);
      expect(others?.tasks).toEqual([one, three]);
      expect((timeouts?.errors[0] as TaskGroupError).tasks).toEqual([two]);
      expect((others?.errors[1] as TaskGroupError).tasks).toEqual([undefined]);
    });

    it("leaves the error itself as it was", () => {
      const nested = new TaskGroupError([timeout, type]);
      const error = new TaskGroupError([range, nested], "outer");
      const { message } = error;
      error.split(TimeoutError);
      expect(error.errors).toEqual([range, nested]);
      expect(nested.errors).toEqual([timeout, type]);
      expect(error.message).toBe(message);
    });

    it("can be split again", () => {
      const error = new TaskGroupError(
        [timeout, range, new TaskGroupError([type, new CancelledError()])],
        "outer",
      );
      const [, rest] = error.split(TimeoutError);
      const [cancelled, others] = rest!.split(CancelledError);
      expect(cancelled?.message.split("\n")[0]).toBe("outer (1 sub-error)");
      expect(others?.leaves()).toEqual([range, type]);
    });

    it("passes on what a predicate throws", () => {
      const thrown = new Error("predicate");
      expect(() =>
        new TaskGroupError([range]).split(() => {
          throw thrown;
        }),
      ).toThrow(thrown);
    });
  });
});
