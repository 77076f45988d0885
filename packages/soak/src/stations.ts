/** What lives as long as the soak, or for many episodes: the owners and tokens that everything short-lived comes and goes under. */
import { getEventListeners } from "node:events";
import { CancellationSource, type TaskErrorContext, TaskScope, backgroundSpawner, sleep } from "@scope/core";
import { spawn } from "@scope/guarded";
import { PersistentTaskGroup } from "@scope/persistent";
import { type Child, Supervisor } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import { Account } from "./account.ts";
import type { Books } from "./books.ts";
import type { Dice } from "./dice.ts";
import { Episode } from "./episode.ts";

/** So many episodes, and their outer cancellation comes. */
const ERA = 50;

export class Stations {
  readonly books: Books;
  readonly source = new CancellationSource();
  readonly controller = new AbortController();
  era = new CancellationSource();
  eraSignal = new AbortController();
  readonly scope = new TaskScope({ name: "lanes" });
  readonly #group = new TaskGroup({ name: "standing", token: this.controller.signal });
  readonly #persistent = new PersistentTaskGroup({ retain: "failures", token: this.source.token });
  readonly #supervisor: Supervisor;
  readonly #children: Child[];
  readonly #accounts: Record<"group" | "persistent" | "supervisor" | "background" | "guarded", Account>;
  #episodes = 0;

  constructor(books: Books, dice: Dice) {
    this.books = books;
    const standing = new Episode(0, this, []);
    const account = (kind: string): Account => new Account(standing, kind, { mild: true });
    this.#accounts = {
      group: account("TaskGroup, standing"),
      persistent: account("PersistentTaskGroup, standing"),
      supervisor: account("Supervisor, standing"),
      background: account("backgroundSpawner"),
      guarded: account("guarded spawn"),
    };
    const attempts = account("Supervisor, standing, attempts");
    this.#supervisor = new Supervisor({
      token: this.source.token,
      maxRestarts: Infinity,
      onError: ({ error }: TaskErrorContext) => {
        books.tell(error, "onError of a standing supervisor");
      },
    });
    const supervise = (name: string): Child => {
      const own = dice.fork();
      return this.#supervisor.supervise((token) => attempts.job(own.fork()).fn(token), {
        name,
        backoff: { initial: 2, max: 10 },
      });
    };
    this.#children = [supervise("first"), supervise("second")];
  }

  /** One more episode begins: it leaves a task with each of those who stay. */
  visit(dice: Dice): void {
    if (++this.#episodes % ERA === 0) this.#nextEra();
    const { group, persistent, supervisor, background, guarded } = this.#accounts;
    // A failure would be the end of the group.
    const harmless = group.job(dice.fork(), {
      watched: true,
      act: (token) => sleep(dice.below(5), token),
    });
    const task = group.start(this.#group, harmless);
    if (dice.chance(0.3)) task?.cancel();
    const pairs = [
      [persistent, this.#persistent],
      [supervisor, this.#supervisor],
      [background, backgroundSpawner],
      [guarded, { spawn }],
    ] as const;
    const [account, spawner] = dice.pick(pairs);
    const due = account === persistent ? 2 : 1;
    account.start(spawner, account.job(dice.fork(), { watched: true, due }));
  }

  /** Acknowledges what fails in the meantime, as long as episodes are under way. */
  async acknowledge(underWay: () => boolean): Promise<void> {
    while (underWay()) {
      for await (const task of this.#persistent.asCompleted({ timeout: 20 })) {
        if (task.status === "failed" && this.#persistent.acknowledge(task)) {
          this.books.tell(task.error, "acknowledge, standing");
        }
      }
      await sleep(2);
    }
  }

  begin(): void {
    for (const child of this.#children) if (child.status === "stopped") void child.restart();
  }

  /** Waits until nothing is under way. */
  async rest(): Promise<void> {
    for (const child of this.#children) await child.stop();
    this.#nextEra();
    const { persistent, group } = this.#accounts;
    await persistent.settle("join", this.#persistent.join());
    const busy = Object.values(this.#accounts).flatMap(({ tasks }) => tasks);
    await Promise.allSettled(busy);
    for (const listening of [this.controller.signal, this.eraSignal.signal]) {
      const count = getEventListeners(listening, "abort").length;
      const expected = listening === this.controller.signal ? 1 : 0;
      this.books.check(count === expected, `L7: ${count} listeners on a standing signal, not ${expected}`);
    }
    this.books.check(
      this.#group.size === 0,
      `size ${this.#group.size} of a group that is empty: ${group.name}`,
    );
    this.books.check(this.#supervisor.size === 0, `size ${this.#supervisor.size} of an empty supervisor`);
    this.books.check(
      this.#persistent.tasks.size === 0,
      `${this.#persistent.tasks.size} tasks wait after a join`,
    );
  }

  /** Ends everything. */
  async end(): Promise<void> {
    const { group, persistent, supervisor } = this.#accounts;
    await group.settle("stop", this.#group.stop());
    await persistent.settle("dispose", this.#persistent[Symbol.asyncDispose]());
    await supervisor.settle("stop", this.#supervisor.stop());
    this.era[Symbol.dispose]();
    await this.scope.stop();
    const count = getEventListeners(this.controller.signal, "abort").length;
    this.books.check(count === 0, `L7: ${count} listeners are left on the standing signal`);
  }

  #nextEra(): void {
    this.books.note("eras");
    this.era.cancel("the era is over");
    this.eraSignal.abort(new Error("the era is over"));
    this.era = new CancellationSource({ parent: this.source.token });
    this.eraSignal = new AbortController();
  }
}
