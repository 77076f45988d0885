/** Tokens and sources: who is told of a cancellation, and when. */
import { CancellationSource, CancellationToken, sleep } from "@scope/core";
import type { Program } from "../explore.ts";
import type { World } from "../world.ts";
import { outcomeOf } from "./outcome.ts";

/** A source whose `cancel` is an event. */
function source(world: World, name: string, options?: { parent?: CancellationToken }): CancellationSource {
  const made = new CancellationSource(options);
  world.event(`cancel ${name}`, () => {
    world.cancel(`cancel ${name}`, () => made.cancel(name));
  });
  return made;
}

/** Notes how often, and at which step, a token has called back. */
function listen(world: World, name: string, token: CancellationToken): { calls: number; forget: () => void } {
  const listener = { calls: 0, forget: () => {} };
  listener.forget = token.onCancel((error) => {
    listener.calls++;
    world.note(`${name} is told`);
    world.check(error === token.error, `${name} was told another error (L3)`);
  });
  return listener;
}

export const cancellationPrograms: readonly Program[] = [
  {
    name: "token: children are marked before anybody is told, newest first (L8)",
    set(world) {
      const root = source(world, "root");
      const order: string[] = [];
      const tokens: CancellationToken[] = [root.token];
      const look = (name: string, token: CancellationToken): void => {
        token.onCancel(() => {
          order.push(name);
          const first = tokens.find((one) => !one.cancelRequested);
          world.check(
            order[0] === "child" || first === undefined,
            `${name} sees a token that is not cancelled`,
          );
        });
      };
      look("older", root.token);
      const child = source(world, "child", { parent: root.token });
      const grandchild = child.token.child();
      tokens.push(child.token, grandchild.token);
      look("child", child.token);
      look("grandchild", grandchild.token);
      look("newer", root.token);
      world.event("late", () => look("late", root.token));
      return () => {
        for (const name of ["older", "newer", "child", "grandchild", "late"]) {
          world.check(order.filter((one) => one === name).length === 1, `${name} was told: ${order.join()}`);
        }
        const newer = order.indexOf("newer");
        world.check(newer < order.indexOf("older"), `the older was told first: ${order.join()}`);
        world.check(child.token.error === grandchild.token.error, "a descendant has another error");
      };
    },
  },
  {
    name: "token: callbacks that unregister each other, register new ones, and throw (L9)",
    set(world) {
      const root = source(world, "root");
      const { token } = root;
      const error = new Error("of a callback");
      world.expectedReports = (one) => one === error;
      const older = listen(world, "older", token);
      const dropped = listen(world, "dropped", token);
      let nested: { calls: number } | undefined;
      token.onCancel(() => {
        dropped.forget();
        nested = listen(world, "nested", token);
        world.check(nested.calls === 0, "a callback was called inside onCancel");
        throw error;
      });
      const unregistered = listen(world, "unregistered", token);
      let inTime = false;
      world.event("unregister", () => {
        inTime = !token.cancelRequested;
        unregistered.forget();
        unregistered.forget();
      });
      const again = (): void => world.cancel("cancel again", () => root.cancel("another"));
      world.event("cancel again", again, () => token.cancelRequested);
      return () => {
        world.check(older.calls === 1, "the older one was not told once");
        world.check(dropped.calls === 0, "an unregistered callback was told");
        world.check(nested?.calls === 1, "one that was registered in a callback was not told once");
        world.check(unregistered.calls === (inTime ? 0 : 1), "unregistering came too late, or did nothing");
        world.check(token.error?.reason === "root", "the first reason stays (L3)");
        world.check(
          world.reports.filter((one) => one === error).length === 1,
          "its error was not reported once",
        );
      };
    },
  },
  {
    name: "token: race between a promise and the cancellation",
    set(world) {
      const outer = world.outer();
      const token = CancellationToken.from(outer.token);
      let settle: (() => void) | undefined;
      world.event("the promise settles", () => settle?.());
      const outcome = outcomeOf(
        world,
        "race",
        token.race(
          new Promise<string>((resolve) => {
            settle = () => resolve("settled");
          }),
        ),
      );
      let first: string | undefined;
      const forget = token.onCancel(
        () => (first ??= outcome.value === "nothing yet" ? "cancelled" : "settled"),
      );
      return () => {
        forget();
        const { value } = outcome;
        world.check(value === "settled" || value === token.error, `it ends in ${String(value)}`);
        if (first === "settled") world.check(value === "settled", "the outcome has changed");
      };
    },
  },
  {
    name: "token: race on one that is cancelled already, with a promise that is settled",
    set(world) {
      const root = source(world, "root");
      const outcomes: { value: unknown; cancelled: boolean }[] = [];
      for (const name of ["first", "second"]) {
        world.event(`race ${name}`, () => {
          const cancelled = root.token.cancelRequested;
          const promise = root.token.race(Promise.resolve(name));
          const outcome = outcomeOf(world, name, promise);
          outcomes.push(Object.assign(outcome, { cancelled }));
        });
      }
      return () => {
        for (const { value, cancelled } of outcomes) {
          if (cancelled) world.check(value === root.token.error, "a token that is cancelled already wins");
        }
      };
    },
  },
  {
    name: "token: sleep between its time and the cancellation",
    set(world) {
      const outer = world.outer();
      const outcome = outcomeOf(world, "sleep", sleep(10, outer.token));
      const second = outcomeOf(world, "long sleep", sleep(2 ** 31 + 5, outer.token));
      return () => {
        for (const { value } of [outcome, second]) {
          world.check(value === undefined || value === outer.error, `it ends in ${String(value)}`);
        }
        if (world.clock.now < 10) world.check(outcome.value === outer.error, "it has slept too little");
        if (world.clock.now < 2 ** 31 + 5)
          world.check(second.value === outer.error, "it has slept too little");
      };
    },
  },
  {
    name: "token: a source with two parents, of which either is cancelled, and which is disposed of",
    set(world) {
      const outer = world.outer("cancel first");
      const second = source(world, "second");
      const both = new CancellationSource({ parent: [outer.token, second.token] });
      const listener = listen(world, "both", both.token);
      let disposed: boolean | undefined;
      world.event("dispose", () => {
        disposed = both.token.cancelRequested;
        both[Symbol.dispose]();
      });
      return () => {
        world.check(listener.calls === (disposed === true ? 1 : 0), `it was told ${listener.calls} times`);
        if (disposed === true) {
          const { error } = both.token;
          world.check(error === outer.error || error === second.token.error, "it has nobody's error");
        } else world.check(!both.token.cancelRequested, "it was cancelled after it was disposed of");
        listener.forget();
      };
    },
  },
  {
    name: "token: a deadline that is moved while it passes",
    set(world) {
      const deadline = new CancellationSource({ timeout: 10 });
      const listener = listen(world, "deadline", deadline.token);
      let at = 0;
      deadline.token.onCancel(() => (at = world.clock.now));
      let armed = true;
      let moved = 10;
      world.event("move", () => {
        if (!deadline.token.cancelRequested) moved = world.clock.now + 20;
        if (armed) deadline.cancelAfter(20);
      });
      world.event("disarm", () => {
        if (!deadline.token.cancelRequested) armed = false;
        deadline.cancelAfter(Infinity);
      });
      world.event("cancel", () => {
        armed &&= deadline.token.cancelRequested;
        world.cancel("cancel", () => deadline.cancel("by hand"));
      });
      return () => {
        const { error } = deadline.token;
        world.check(listener.calls === 1, `it was told ${listener.calls} times`);
        if (error?.source === "timeout") world.check(at === moved, "it did not wait for its deadline");
        else world.check(!armed, "it was armed, and did not pass");
      };
    },
  },
  {
    name: "token: a child is disposed of while its parent is cancelled",
    set(world) {
      const outer = world.outer();
      const parent = CancellationToken.from(outer.token);
      const child = parent.child({ timeout: 10 });
      const grandchild = child.token.child();
      const listener = listen(world, "grandchild", grandchild.token);
      let before: boolean | undefined;
      world.event("dispose", () => {
        before = child.token.cancelRequested;
        child[Symbol.dispose]();
      });
      return () => {
        world.check(child.token.cancelRequested === before, "it was cancelled after it was disposed of");
        world.check(listener.calls === (before === true ? 1 : 0), `it was told ${listener.calls} times`);
      };
    },
  },
  {
    name: "token: a signal that is read before, in and after the cancellation",
    set(world) {
      const root = source(world, "root");
      const child = root.token.child();
      let aborted = 0;
      let readBefore = false;
      const read = (when: string, token: CancellationToken): void => {
        const { signal } = token;
        world.check(signal === token.signal, "one signal per token");
        world.check(signal.aborted === token.cancelRequested, `${when}: the signal disagrees with its token`);
        if (signal.aborted) world.check(signal.reason === token.error, `${when}: it has another reason`);
        else signal.addEventListener("abort", () => aborted++);
      };
      // One that was read before dispatches as the platform does (L8).
      root.token.onCancel(() => {
        if (!readBefore) read("inside", child.token);
      });
      world.event("read root", () => read("root", root.token));
      world.event("read child", () => {
        read("child", child.token);
        readBefore = true;
      });
      world.event("follow", () => {
        readBefore = true;
        world.check(
          CancellationToken.from(child.token.signal) === child.token,
          "a signal's token is another",
        );
      });
      return () => {
        world.check(aborted <= 2 && root.token.signal.aborted, "a signal was not aborted");
        world.check(child.token.signal.aborted, "the child's signal was not aborted");
      };
    },
  },
  {
    name: "token: a followed signal is aborted against the follower's own cancel (T6)",
    set(world) {
      const controller = new AbortController();
      const reason = new Error("outside");
      world.event("abort", () => world.cancel("abort", () => controller.abort(reason)));
      // A listener that came earlier looks at a token that has not heard of it.
      controller.signal.addEventListener("abort", () => {
        world.check(
          token.cancelRequested && CancellationToken.from(controller.signal).error === token.error,
          "the level is not seen (L3)",
        );
      });
      const token = CancellationToken.from(controller.signal);
      world.check(CancellationToken.from(controller.signal) === token, "one token per signal");
      const first = source(world, "first", { parent: token });
      const second = token.child();
      const listener = listen(world, "second", second.token);
      return () => {
        world.check(listener.calls === 1, `it was told ${listener.calls} times`);
        world.check(second.token.error?.reason === reason, "it has another reason");
        world.check(token.error === second.token.error, "it has another error than its parent");
        world.check(
          first.token.error?.reason === "first" || first.token.error === token.error,
          "whose is it?",
        );
      };
    },
  },
];
