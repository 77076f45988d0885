/** What functions do. */
import { setTimeout as wait } from "node:timers/promises";
import { type CancellationToken, FatalError, cancelAndWait, isCancellation, sleep } from "@scope/core";
import type { Account } from "./account.ts";
import type { Dice } from "./dice.ts";

interface Manner {
  body: boolean;
  /** The end of its task is compared with its own. */
  watched: boolean;
  /** It makes trouble first of all, inside `spawn`. */
  asks: boolean;
}

const STEPS = [
  "turns",
  "turns",
  "sleep",
  "sleep",
  "sleep",
  "deaf",
  "platform",
  "race",
  "child",
  "spawn",
  "spawn",
  "trouble",
  "callbacks",
  "nested",
  "await",
  "cancel and wait",
] as const;

const REACTIONS = ["obey", "obey", "obey", "obey", "return", "fail", "clean up", "reason"] as const;

export function perform(account: Account, dice: Dice, token: CancellationToken, manner: Manner): unknown {
  if (manner.asks) account.trouble(dice);
  // A few end before their `spawn` has returned.
  if (dice.chance(0.1) && !manner.body) return end(account, dice, manner);
  return act(account, dice, token, manner);
}

async function act(account: Account, dice: Dice, token: CancellationToken, manner: Manner): Promise<unknown> {
  const reaction = dice.pick(REACTIONS);
  const after = dice.fork();
  const count = dice.below(manner.body ? 5 : 4);
  try {
    for (let step = 0; step < count; step++) await take(account, dice.fork(), token, dice.pick(STEPS));
  } catch (error) {
    if (!token.cancelRequested || !isCancellation(error)) throw error;
    account.episode.books.note(`asked: ${reaction}`);
    switch (reaction) {
      case "return":
        return "all the same";
      case "fail":
        throw new Error("in its clean-up", { cause: error });
      case "reason":
        if (token.error?.source === "signal") throw token.error.reason;
        throw error;
      case "clean up":
        await wait(after.below(5));
        if (after.chance(0.3)) account.spawn(after);
        throw error;
      case "obey":
        throw error;
    }
  }
  return end(account, after, manner);
}

/** Returns a value, or throws. */
function end({ episode, mild }: Account, dice: Dice, { watched }: Manner): unknown {
  if (dice.chance(0.15)) throw new Error("a failure");
  if (dice.chance(0.01) && !mild) throw new FatalError("a fatal one");
  if (dice.chance(0.02) && watched) throw episode.books.foreign();
  return dice.below(1000);
}

async function take(
  account: Account,
  dice: Dice,
  token: CancellationToken,
  step: (typeof STEPS)[number],
): Promise<void> {
  const { episode, tasks, mild } = account;
  const { books } = episode;
  const ms = dice.below(8);
  books.note(step);
  switch (step) {
    case "turns":
      for (let turn = dice.below(8); turn >= 0; turn--) await Promise.resolve();
      return;
    case "sleep":
      return sleep(ms, token);
    case "deaf":
      return wait(ms);
    case "platform":
      return wait(ms, undefined, { signal: token.signal });
    case "race":
      return token.race(wait(ms));
    case "child": {
      const child = token.child({ timeout: dice.below(8) });
      try {
        await sleep(ms, child.token);
      } catch (error) {
        if (token.cancelRequested) throw error;
      } finally {
        child[Symbol.dispose]();
      }
      return;
    }
    case "spawn":
      account.spawn(dice);
      return;
    case "trouble":
      account.trouble(dice);
      return;
    case "callbacks": {
      const throws = dice.chance(0.3);
      const other = dice.fork();
      const unregister = token.onCancel(() => {
        if (!throws) account.trouble(other);
        else throw owed(account, "onCancel");
      });
      await wait(ms);
      unregister();
      const task = tasks.at(-1);
      task?.onDone(() => {
        if (throws) throw owed(account, "onDone");
        account.spawn(other);
      });
      return;
    }
    case "nested":
      try {
        await episode.nested(dice, token);
      } catch (error) {
        if (mild && error instanceof FatalError) books.tell(error, "a caller");
        // Another owner's cancellation is told to many.
        else if (token.cancelRequested || !isCancellation(error)) throw error;
      }
      return;
    case "await": {
      // An older one, so that nobody waits in a circle, nor for one that waits for its slot.
      const own = tasks.find((task) => task.token === token)?.id ?? 0;
      const task = tasks.find(({ id }) => id < own);
      if (task === undefined) return;
      if (account.shares) await token.race(task);
      else await token.race(task).catch((error: unknown) => obey(token, error));
      return;
    }
    case "cancel and wait": {
      const others = tasks.filter((task) => task.token !== token).slice(0, 2);
      // Their owner is told of their failures.
      await cancelAndWait(others, { reason: "not wanted", token }).catch((error: unknown) =>
        obey(token, error),
      );
      return;
    }
  }
}

/** What is only looked at here. */
function obey(token: CancellationToken, error: unknown): void {
  if (token.cancelRequested && isCancellation(error)) throw error;
}

/** An error that a callback throws: the last reporter is told. */
function owed(account: Account, where: string): Error {
  const error = new Error(`in ${where}`);
  account.episode.books.owe(error, `a callback, ${account.name}`);
  return error;
}
