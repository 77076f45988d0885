/** Persistent groups and services. */
import { type CancellationToken, TaskScope } from "@scope/core";
import { PersistentTaskGroup, type Service, ServiceBase, ServiceGroup } from "@scope/persistent";
import { Account } from "../account.ts";
import type { Dice } from "../dice.ts";
import type { Scene } from "../episode.ts";
import { FORMS } from "./owners.ts";

/** Takes what has ended, and acknowledges some of it. */
async function iterate(account: Account, group: PersistentTaskGroup, dice: Dice): Promise<void> {
  const { books } = account.episode;
  const leaveAfter = dice.chance(0.3) ? dice.below(3) : Infinity;
  const timeout = dice.pick([0, 3, 10, Infinity]);
  let seen = 0;
  for await (const task of group.asCompleted({ timeout })) {
    books.check(task.done, `handed out before it was done: ${account.name}`);
    if (seen++ === leaveAfter) break;
    // Whoever comes first is told: a `join` meanwhile acknowledges everything.
    // A fatal error comes out of `run` all the same, as it is.
    if (group.acknowledge(task) && task.status === "failed") account.outcome(task.error, "acknowledge");
  }
}

const persistent: Scene = {
  name: "PersistentTaskGroup",
  async play(episode, dice, parent) {
    const logError = dice.chance(0.3);
    const due = logError ? 2 : 1;
    const account = new Account(episode, "PersistentTaskGroup", { due, staysOpen: true });
    const outer = episode.outer(dice, parent);
    const lender = dice.chance(0.2) ? new TaskScope({ onError: "ignore", isFatal: () => false }) : undefined;
    const options = {
      retain: dice.pick(["all", "failures"] as const),
      ...(outer.token !== undefined && { token: outer.token }),
      ...(lender !== undefined && { spawner: lender }),
    };
    const form = dice.pick(FORMS);
    const body = account.job(dice.fork(), { body: true });
    const work = dice.fork();
    const end = dice.fork();
    const open = (group: PersistentTaskGroup): void => {
      account.exposeTo(dice, group, outer.cancel);
      account.handle = { spawn: (fn, more) => group.spawn(fn, { ...more, logError }) };
      for (let count = work.below(5); count >= 0; count--) account.spawn(work.fork());
      for (let count = work.below(3); count > 0; count--) {
        episode.loose(iterate(account, group, work.fork()));
      }
    };
    try {
      if (form === "run") {
        const ran = PersistentTaskGroup.run((group) => {
          open(group);
          return body.fn(group.token);
        }, options);
        await account.conclude("run", ran, end, parent !== undefined);
        return;
      }
      const group = new PersistentTaskGroup(options);
      open(group);
      if (form === "limited stop") await account.settle(form, group.stop({ timeout: end.below(5) }), true);
      if (form === "join" || form === "stop") await account.settle(form, group[form]());
      await account.conclude("dispose", group[Symbol.asyncDispose](), end, parent !== undefined);
    } finally {
      await lender?.stop();
    }
  },
};

class Worker extends ServiceBase {
  readonly #account: Account;
  readonly #main: Dice;
  readonly #work: Dice;

  constructor(account: Account, dice: Dice, token: CancellationToken | AbortSignal | undefined) {
    super({ token });
    this.#account = account;
    this.#main = dice.fork();
    this.#work = dice.fork();
  }

  protected async main(token: CancellationToken): Promise<void> {
    for (let count = this.#work.below(3); count > 0; count--) {
      this.#account.start(this, this.#account.job(this.#work.fork(), { watched: true }));
    }
    await this.#account.job(this.#main.fork()).fn(token);
  }
}

const service: Scene = {
  name: "ServiceBase",
  async play(episode, dice, parent) {
    // Failures of main and of tasks are logged, and told in the end.
    const account = new Account(episode, "ServiceBase", { due: 2, staysOpen: true, mild: true });
    const outer = episode.outer(dice, parent);
    const worker = new Worker(account, dice.fork(), outer.token);
    const again = dice.below(3);
    for (let round = 0; round <= again; round++) {
      startUnlessOver(worker);
      if (dice.chance(0.3)) outer.cancel?.();
      if (dice.chance(0.3)) worker.cancel("trouble");
      const how = dice.pick(["join", "stop"] as const);
      await account.settle(how, worker[how]());
    }
    await account.conclude("dispose", worker[Symbol.asyncDispose](), dice, parent !== undefined);
  },
};

const services: Scene = {
  name: "ServiceGroup",
  async play(episode, dice, parent) {
    const { books } = episode;
    const account = new Account(episode, "ServiceGroup", { due: 2, staysOpen: true, mild: true });
    const outer = episode.outer(dice, parent);
    const members = Array.from(
      { length: 1 + dice.below(3) },
      () => new Worker(account, dice.fork(), undefined),
    );
    let restarts = dice.below(3);
    const policy = dice.pick(["stop", "ignore", "restart"] as const);
    const group = new ServiceGroup(members, {
      ...(outer.token !== undefined && { token: outer.token }),
      restartDelay: dice.below(3),
      onEnd: () => (policy === "restart" && restarts-- <= 0 ? "stop" : policy),
    });
    startUnlessOver(group);
    // What keeps it from being ready is told by its end.
    const ready = group.ready().then(
      () => {
        books.note("ready");
      },
      () => {
        books.note("not ready");
      },
    );
    episode.loose(ready);
    if (dice.chance(0.3)) outer.cancel?.();
    if (dice.chance(0.3)) await ready;
    if (dice.chance(0.2)) group.cancel("trouble");
    if (dice.chance(0.5)) await account.settle("stop", group.stop());
    await account.conclude("dispose", group[Symbol.asyncDispose](), dice, parent !== undefined);
    for (const member of members) await account.settle("dispose", member[Symbol.asyncDispose]());
  },
};

function startUnlessOver(started: Service): void {
  try {
    started.start();
  } catch {
    // Its outer token is cancelled.
  }
}

export const persistents: readonly Scene[] = [persistent, persistent, service, services];
