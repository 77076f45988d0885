/** Calls that own their tasks until they return: map, gather, race, asCompleted. */
import { TaskGroup } from "@scope/taskgroup";
import { type RaceOptions, asCompleted, gather, race } from "@scope/supervisor";
import { Account, type Called } from "../account.ts";
import type { Dice } from "../dice.ts";
import type { Scene } from "../episode.ts";
import { optionsOf } from "./owners.ts";

function jobsOf(account: Account, dice: Dice): Called[] {
  return Array.from({ length: 1 + dice.below(5) }, () => account.job(dice.fork()));
}

/** Trouble from outside is all that these can have. */
function exposeTo(account: Account, cancel: (() => void) | undefined): void {
  if (cancel !== undefined) account.troubles.push(cancel);
}

const map: Scene = {
  name: "TaskGroup.map",
  async play(episode, dice, parent) {
    const account = new Account(episode, "TaskGroup.map", { shares: true });
    const outer = episode.outer(dice, parent);
    exposeTo(account, outer.cancel);
    const jobs = jobsOf(account, dice);
    const slow = dice.chance(0.3);
    let returned = false;
    async function* slowly(): AsyncGenerator<Called> {
      try {
        for (const job of jobs) {
          await Promise.resolve();
          yield job;
        }
      } finally {
        returned = true;
      }
    }
    const mapped = TaskGroup.map(
      slow ? slowly() : jobs,
      (job, token) => job.fn(token),
      optionsOf(dice, outer),
    );
    const checked = mapped.then((results) => {
      const agree =
        results.length === jobs.length && results.every((result, index) => result === jobs[index]?.value);
      episode.books.check(agree, `other results: ${account.name}`);
      episode.books.check(!slow || returned, `the source was not returned: ${account.name}`);
    });
    await account.conclude("call", checked, dice, parent !== undefined);
  },
};

const gathering: Scene = {
  name: "gather",
  async play(episode, dice, parent) {
    const { books } = episode;
    const account = new Account(episode, "gather");
    const outer = episode.outer(dice, parent);
    exposeTo(account, outer.cancel);
    const jobs = jobsOf(account, dice);
    const gathered = gather(
      jobs.map(({ fn }) => fn),
      optionsOf(dice, outer),
    );
    const told = gathered.then((results) => {
      results.forEach((result, index) => {
        const { ending, value, error } = jobs[index]!;
        if (result.status === "fulfilled") {
          books.check(ending === "returned" && result.value === value, `another result: ${account.name}`);
          return;
        }
        if (ending !== "threw") return;
        books.check(result.reason === error, `another reason: ${account.name}`);
        books.tell(error, "result of gather");
      });
    });
    await account.conclude("call", told, dice, parent !== undefined);
  },
};

/** What a racer returns: whoever does not win is to have it closed. */
class Prize {
  closed = 0;

  [Symbol.asyncDispose](): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

const racing: Scene = {
  name: "race",
  async play(episode, dice, parent) {
    const { books } = episode;
    const account = new Account(episode, "race");
    const outer = episode.outer(dice, parent);
    exposeTo(account, outer.cancel);
    const jobs = jobsOf(account, dice);
    const prizes: Prize[] = [];
    const fns = jobs.map(({ fn }) => async (token: Parameters<typeof fn>[0]) => {
      await fn(token);
      const prize = new Prize();
      prizes.push(prize);
      return prize;
    });
    const options: RaceOptions = {
      ...optionsOf(dice, outer),
      ...(dice.chance(0.4) && { continueOnError: true }),
      ...(dice.chance(0.3) && { stagger: dice.below(5) }),
    };
    let winner: Prize | undefined;
    const raced = race(fns, options).then(({ value, errors }) => {
      winner = value;
      for (const error of errors) books.tell(error, "errors of race");
    });
    try {
      await account.conclude("call", raced, dice, parent !== undefined);
    } finally {
      const wrong = prizes.filter((prize) => prize.closed !== (prize === winner ? 0 : 1));
      books.check(wrong.length === 0, `${wrong.length} prizes were not closed once: ${account.name}`);
    }
  },
};

const completing: Scene = {
  name: "asCompleted",
  async play(episode, dice, parent) {
    const { books } = episode;
    const account = new Account(episode, "asCompleted");
    const outer = episode.outer(dice, parent);
    exposeTo(account, outer.cancel);
    const jobs = jobsOf(account, dice);
    const leaveAfter = dice.chance(0.4) ? dice.below(3) : Infinity;
    const options = optionsOf(dice, outer);
    const loop = async (): Promise<void> => {
      let seen = 0;
      for await (const task of asCompleted(
        jobs.map(({ fn }) => fn),
        options,
      )) {
        books.check(task.done, `handed out before it was done: ${account.name}`);
        if (task.status === "failed") books.tell(task.error, "asCompleted");
        if (seen++ === leaveAfter) break;
      }
    };
    await account.conclude("loop", loop(), dice, parent !== undefined);
  },
};

export const calls: readonly Scene[] = [map, gathering, racing, completing];
