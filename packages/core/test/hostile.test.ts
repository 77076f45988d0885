/** What users' own objects do wrong must stay with them: errors that cannot be read, signals and promises that throw. */
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  TaskGroupError,
  TaskScope,
  TimeoutError,
} from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, captureReports, groupError, rejection, waits } from "@scope/test-utils";
import { describe, expect, it } from "vitest";

/** The object, with a property that cannot be read. */
function unreadable<T extends object>(object: T, property: string): T {
  return Object.defineProperty(object, property, {
    get() {
      throw new Error(`unreadable ${property}`);
    },
  });
}

describe("a cancellation that cannot be read", () => {
  it.each(["message", "name", "toString", "source"])(
    "as a reason is kept as the reason of another, if it is its %s (L9)",
    async (property) => {
      using reports = captureReports();
      const reason = unreadable(new CancelledError("theirs"), property);
      const source = new CancellationSource();
      const called: string[] = [];
      source.token.onCancel(() => called.push("older"));
      source.token.onCancel(() => {
        throw new Error("callback");
      });
      source.cancel(reason);
      expect(called).toEqual(["older"]);
      expect(source.token.error === reason).toBe(false);
      expect(source.token.error!.reason === reason).toBe(true);
      expect(reports.map(({ error }) => error)).toEqual([new Error("callback")]);

      const scope = new TaskScope();
      const task = scope.spawn((token) =>
        waits(token).catch(() => {
          throw new Error("instead of the cancellation");
        }),
      );
      scope.cancel(reason);
      await scope.join();
      expect(task.status).toBe("failed");
    },
  );

  it("as a failure cancels the siblings, and comes out like any other (L1, L2)", async () => {
    const failure = unreadable(new CancelledError("foreign"), "message");
    const { errors } = await groupError(
      TaskGroup.run((group) => {
        group.spawn(() => Promise.reject(failure));
        group.spawn(waits);
      }),
    );
    expect(errors).toHaveLength(1);
    expect(errors[0] === failure).toBe(true);
  });
});

describe(TimeoutError, () => {
  it("leaves `Error.stackTraceLimit` alone when its message cannot be made", () => {
    const { stackTraceLimit } = Error;
    const message = {
      toString() {
        throw new Error("no text");
      },
    };
    expect(() => new TimeoutError(1, message as never)).toThrow("no text");
    expect(() => new TimeoutError(1, Symbol("text") as never)).toThrow(TypeError);
    expect(Error.stackTraceLimit).toBe(stackTraceLimit);
  });
});

describe("an abort signal of somebody's own make", () => {
  it("whose state cannot be asked is refused at the door, shielded or not (L11)", () => {
    const token = unreadable(new AbortController().signal, "aborted");
    for (const shield of [false, true]) {
      expect(() => new TaskScope({ token, shield })).toThrow("unreadable aborted");
    }
  });

  it.each([
    ["has no removeEventListener", undefined],
    [
      "throws when the listener is taken back",
      () => {
        throw new Error("not removed");
      },
    ],
  ])("that %s holds no scope up, and is told about (L1, L9)", async (_, removeEventListener) => {
    using reports = captureReports();
    const token = { aborted: false, addEventListener() {}, removeEventListener } as unknown as AbortSignal;
    const scope = new TaskScope({ token });
    const work = new Deferred();
    scope.spawn(() => work.promise);
    const joined = scope.join();
    work.resolve();
    await joined;
    expect(scope.state).toBe("closed");
    expect(await TaskScope.run(() => 1, { token })).toBe(1);
    expect(reports.map(({ message }) => message)).toEqual(
      Array(2).fill("Error in removeEventListener of AbortSignal"),
    );
  });
});

describe("a native promise of somebody's own make", () => {
  it("that changes its constructor fails its task (L1)", async () => {
    using reports = captureReports();
    let reads = 0;
    const promise = Object.defineProperty(Promise.resolve(1), "constructor", {
      get() {
        if (reads++ > 0) throw new Error("unreadable constructor");
        return Promise;
      },
    });
    const scope = new TaskScope();
    const task = scope.spawn(() => promise);
    await scope.join();
    expect(task.status).toBe("failed");
    expect(reports.map(({ error }) => error)).toEqual([new Error("unreadable constructor")]);
  });

  it("that cannot be asked leaves no registration behind when it is raced (L7)", async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    signal.addEventListener = () => void listeners++;
    signal.removeEventListener = () => void listeners--;
    for (const property of ["constructor", "then"]) {
      const promise = unreadable(Promise.resolve(1), property);
      expect(await rejection(CancellationToken.from(signal).race(promise))).toEqual(
        new Error(`unreadable ${property}`),
      );
    }
    expect(listeners).toBe(0);
  });
});

describe("split of a group error", () => {
  it.each([undefined, null, "TimeoutError", {}])("refuses %s (L11)", (match) => {
    for (const errors of [[], [new Error()]]) {
      const split = (): unknown => new TaskGroupError(errors).split(match as never);
      expect(split).toThrow(TypeError);
      expect(split).toThrow(/`match`.*a function/);
    }
  });
});
