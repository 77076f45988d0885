/** Background tasks, guarded and not, and tokens alone. */
import { CancellationSource, type Task, isCancellation, sleep } from "@scope/core";
import { SafeExitError, exitOnError, spawn, spawnGuarded, stopBackgroundTasks } from "@scope/guarded";
import { Account } from "../account.ts";
import type { Scene } from "../episode.ts";

const guarded: Scene = {
  name: "guarded",
  async play(episode, dice, parent) {
    const { books } = episode;
    const account = new Account(episode, "spawn, spawnGuarded", { mild: true });
    const outer = episode.outer(dice, parent);
    const token = outer.token === undefined ? {} : { token: outer.token };
    if (outer.cancel !== undefined) account.troubles.push(outer.cancel);
    // The log is the report of a guarded task: here, its exit.
    const logger = { error: () => undefined };
    const exit = (): void => {
      books.note("exit");
    };
    for (let count = dice.below(4); count >= 0; count--) {
      const job = account.job(dice.fork(), { watched: true });
      const kind = dice.pick(["spawn", "spawnGuarded", "exitOnError", "safe"]);
      let task: Task<unknown> | undefined;
      const told = (): void => {
        exit();
        books.tell(task?.error, "the guard");
      };
      books.note(kind);
      if (kind === "spawn") task = spawn(job.fn, token);
      else if (kind === "spawnGuarded") task = spawnGuarded(job.fn, { ...token, logger, exit: told });
      else if (kind === "exitOnError") {
        task = spawn(job.fn, token);
        exitOnError(task, { logger, exit });
      } else {
        const safe = spawnGuarded(() => Promise.reject(new SafeExitError()), { logger, exit: told });
        episode.loose(safe.catch(() => undefined));
        continue;
      }
      account.watch(task, job);
    }
    if (dice.chance(0.1)) {
      const timeout = dice.below(5);
      await stopBackgroundTasks({ reason: "trouble", timeout }).catch(() => {
        books.note("stopBackgroundTasks is late");
      });
    }
    await Promise.allSettled([...account.tasks]);
  },
};

const tokens: Scene = {
  name: "tokens",
  async play(episode, dice, parent) {
    const { books } = episode;
    const outer = episode.outer(dice, parent);
    const sources = [new CancellationSource(outer.token === undefined ? {} : { parent: outer.token })];
    for (let count = dice.below(10); count > 0; count--) {
      const { token } = dice.pick(sources);
      sources.push(
        dice.chance(0.5)
          ? token.child()
          : new CancellationSource({ parent: [token, dice.pick(sources).token.signal] }),
      );
    }
    let asked = 0;
    const unregister = sources.map(({ token }) => token.onCancel(() => asked++));
    const slept = sources.map(({ token }) => sleep(dice.below(8), token).catch((error: unknown) => error));
    const victim = dice.pick(sources);
    if (dice.chance(0.5)) victim.cancelAfter(dice.below(8));
    else victim.cancel("trouble");
    if (dice.chance(0.2)) outer.cancel?.();
    for (const end of await Promise.all(slept))
      books.check(end === undefined || isCancellation(end), `sleep: ${String(end)}`);
    for (const { token } of sources) {
      books.check(
        !token.cancelRequested ||
          token.error === token.signal.reason ||
          token.error?.reason === token.signal.reason,
        "another reason",
      );
    }
    books.note(asked > 0 ? "tokens cancelled" : "tokens left");
    for (const undo of unregister) undo();
    for (const source of sources) source[Symbol.dispose]();
  },
};

export const backgrounds: readonly Scene[] = [guarded, tokens];
