/** Owners of tasks: scopes, groups and supervisors, run or opened by hand, and those that are dropped. */
import {
  type CancellationToken,
  type ScopeOptions,
  type TaskErrorContext,
  TaskScope,
  type TaskScopeOptions,
  failAfter,
  moveOnAfter,
} from "@scope/core";
import { type ChildSpec, Supervisor, type SupervisorOptions } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import { Account, type Handle } from "../account.ts";
import type { Dice } from "../dice.ts";
import type { Outer, Scene } from "../episode.ts";

interface OwnerClass<O extends Handle, P> {
  new (options?: P): O;
  run(body: (owner: O) => unknown, options?: P): Promise<unknown>;
}

export const FORMS = ["run", "run", "run", "join", "stop", "limited stop", "dispose"] as const;

/** Options at random. */
export function optionsOf(dice: Dice, { token }: Outer): ScopeOptions {
  return {
    ...(token !== undefined && { token }),
    ...(dice.chance(0.15) && { shield: true }),
    ...(dice.chance(0.2) && { timeout: dice.below(10) }),
    ...(dice.chance(0.25) && { concurrency: 1 + dice.below(3) }),
  };
}

/** Opens an owner, has work done in it and trouble made, and waits for its end in one of the ways. */
export async function keep<O extends Handle, P>(
  account: Account,
  type: OwnerClass<O, P>,
  options: P,
  dice: Dice,
  outer: Outer,
  nested: boolean,
  begin: (owner: O) => void = () => {},
): Promise<void> {
  const form = dice.pick(FORMS);
  const body = account.job(dice.fork(), { body: true });
  const work = dice.fork();
  const end = dice.fork();
  const open = (owner: O): void => {
    account.exposeTo(dice, owner, outer.cancel);
    begin(owner);
    for (let count = work.below(5); count >= 0; count--) account.spawn(work.fork());
  };
  if (form === "run") {
    const ran = type.run(async (owner) => {
      open(owner);
      try {
        return await body.fn((owner as O & { token: CancellationToken }).token);
      } finally {
        // Supervised children run until they are stopped.
        if (type === (Supervisor as unknown) || end.chance(0.2)) owner.cancel("the body has ended");
      }
    }, options);
    await account.conclude("run", ran, end, nested);
    return;
  }
  const owner = new type(options);
  open(owner);
  if (type === (Supervisor as unknown)) await Promise.resolve();
  if (form === "limited stop") await account.settle(form, owner.stop({ timeout: end.below(5) }), true);
  const ended: Promise<unknown> =
    form === "dispose"
      ? Promise.resolve(owner[Symbol.asyncDispose]())
      : form === "join" && type !== (Supervisor as unknown)
        ? owner.join()
        : owner.stop();
  await account.conclude(form, ended, end, nested);
}

const scope: Scene = {
  name: "TaskScope",
  async play(episode, dice, parent) {
    const { books } = episode;
    const policy = dice.pick(["function", "function", "report", "ignore", "throws"]);
    const account = new Account(episode, "TaskScope", { due: policy === "ignore" ? 0 : 1 });
    const outer = episode.outer(dice, parent);
    let told = 0;
    const options: TaskScopeOptions = {
      ...optionsOf(dice, outer),
      onError: policy === "report" || policy === "ignore" ? policy : onErrorOf(account, policy === "throws"),
      onTaskDone: () => {
        told++;
      },
    };
    await keep(account, TaskScope, options, dice, outer, parent !== undefined);
    books.check(told === account.spawned, `${told} of ${account.spawned} ends were told: ${account.name}`);
  },
};

const deadline: Scene = {
  name: "moveOnAfter, failAfter",
  async play(episode, dice, parent) {
    const account = new Account(episode, "moveOnAfter, failAfter");
    const outer = episode.outer(dice, parent);
    const after = dice.chance(0.5) ? moveOnAfter : failAfter;
    const body = account.job(dice.fork(), { body: true });
    const work = dice.fork();
    const ran = after(
      dice.below(10),
      (opened) => {
        account.exposeTo(work, opened, outer.cancel);
        for (let count = work.below(4); count >= 0; count--) account.spawn(work.fork());
        return body.fn(opened.token);
      },
      { ...(outer.token !== undefined && { token: outer.token }), onError: onErrorOf(account, false) },
    );
    await account.conclude("run", ran, dice, parent !== undefined);
  },
};

const group: Scene = {
  name: "TaskGroup",
  async play(episode, dice, parent) {
    const account = new Account(episode, "TaskGroup", { shares: true });
    const outer = episode.outer(dice, parent);
    await keep(account, TaskGroup, optionsOf(dice, outer), dice, outer, parent !== undefined);
  },
};

const supervisor: Scene = {
  name: "Supervisor",
  async play(episode, dice, parent) {
    const { books } = episode;
    const account = new Account(episode, "Supervisor");
    const attempts = new Account(episode, "Supervisor, attempts");
    const outer = episode.outer(dice, parent);
    const endless = dice.chance(0.3);
    let told = 0;
    const options: SupervisorOptions = {
      ...optionsOf(dice, outer),
      strategy: dice.pick(["one-for-one", "one-for-all", "rest-for-one"]),
      maxRestarts: endless ? Infinity : dice.below(4),
      onError: onErrorOf(account, false),
      onEvent: ({ type }) => {
        books.note(`child ${type}`);
      },
      onTaskDone: () => {
        told++;
      },
    };
    const specs = Array.from({ length: dice.below(4) }, (_, index): [ChildSpec, Dice, boolean] => [
      {
        name: `child-${index}`,
        restart: dice.pick(["permanent", "permanent", "transient", "temporary"]),
        significant: dice.chance(0.1),
        ...((endless || dice.chance(0.3)) && {
          backoff: { initial: 1 + dice.below(3), jitter: 0.5, max: 6 },
        }),
        ...(dice.chance(0.2) && { stopTimeout: dice.below(4) }),
      },
      dice.fork(),
      dice.chance(0.3),
    ]);
    const begin = (owner: Supervisor): void => {
      for (const [spec, own, saysReady] of specs)
        superviseOne(account, attempts, owner, spec, own, saysReady);
    };
    await keep(account, Supervisor, options, dice, outer, parent !== undefined, begin);
    books.check(attempts.live === 0, `L1: ${attempts.live} attempts run after the end: ${account.name}`);
    const ended = account.spawned + attempts.called;
    books.check(told === ended, `${told} of ${ended} ends were told: ${account.name}`);
  },
};

function superviseOne(
  account: Account,
  attempts: Account,
  owner: Supervisor,
  spec: ChildSpec,
  dice: Dice,
  saysReady: boolean,
): void {
  const { books } = account.episode;
  const call = (token: CancellationToken): unknown => attempts.job(dice.fork()).fn(token);
  try {
    const child = owner.supervise(
      saysReady
        ? (token, { ready }) => {
            ready();
            return call(token);
          }
        : (token) => call(token),
      spec,
    );
    const handled = (what: string, promise: Promise<void>): void => {
      books.note(`child.${what}`);
      // A refusal, or that it is late.
      account.episode.loose(promise.catch(() => undefined));
    };
    account.troubles.push(
      () => child.task?.cancel("trouble"),
      () => {
        handled("stop", child.stop());
      },
      () => {
        handled("restart", child.restart());
      },
    );
  } catch {
    books.note("supervise refused");
  }
}

/** Nobody waits for it: what it has collected is told when it is collected itself. */
const dropped: Scene = {
  name: "dropped",
  async play(episode, dice) {
    const type = dice.chance(0.5) ? TaskScope : TaskGroup;
    const account = new Account(episode, `${type.name}, dropped`, { dropped: true });
    const tasks = spawnAndDrop(account, new type(), dice);
    await Promise.allSettled(tasks);
  },
};

function spawnAndDrop(account: Account, owner: TaskScope | TaskGroup, dice: Dice): unknown[] {
  const tasks = Array.from({ length: 1 + dice.below(3) }, () =>
    account.start(owner, account.job(dice.fork(), { watched: true })),
  );
  account.episode.books.dropped++;
  return tasks.filter((task) => task !== undefined);
}

function onErrorOf(
  { episode: { books }, name, kind }: Account,
  throws: boolean,
): (context: TaskErrorContext) => void {
  return ({ error }) => {
    if (!throws) {
      books.tell(error, `onError of ${kind}`);
      return;
    }
    const own = new Error("in onError");
    books.owe(own, `onError of ${name}`);
    throw own;
  };
}

export const owners: readonly Scene[] = [
  scope,
  scope,
  group,
  group,
  supervisor,
  supervisor,
  deadline,
  dropped,
];
