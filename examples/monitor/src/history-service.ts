import { type CancellationToken, InvalidStateError, sleep } from "@scope/core";
import type { Logger } from "pino";

import { AnnouncedService, type Tell, count } from "./announced-service.ts";
import { type Check, type Tabular, openDatabase } from "./database.ts";

export interface HistoryOptions {
  /** A file, or the address of a PostgreSQL. */
  readonly location: string;
  /** Milliseconds that a check is kept. */
  readonly keep: number;
  readonly logger: Logger;
  readonly tell: Tell;
}

/** What became of a target's checks since some time. */
export interface Totals {
  readonly checks: number;
  readonly failed: number;
  readonly restarts: number;
}

const betweenPrunings = 3_600_000;

/** Keeps what was checked. It is ready when the database is open; a check is recorded when `record` has resolved. */
export class HistoryService extends AnnouncedService {
  readonly #options: HistoryOptions;
  #opening: Promise<Tabular> = Promise.reject(new InvalidStateError("the history was not started"));
  #recorded = 0;

  constructor(options: HistoryOptions) {
    super(options.tell, { uniqueId: "history" });
    this.#options = options;
    this.#opening.catch(() => undefined);
  }

  async ready(): Promise<void> {
    await this.#opening;
  }

  /** Resolves when the check is on the disk: whatever happens to this process then, it is in the history. */
  async record(check: Omit<Check, "id">): Promise<Check> {
    const database = await this.#opening;
    const { id } = await database
      .insertInto("monitor_checks")
      .values(check)
      .returning("id")
      .executeTakeFirstOrThrow();
    this.#recorded++;
    return { id, ...check };
  }

  /** The last checks, or the last before an id, oldest first. */
  async latest(target: string, limit: number, before = Number.MAX_SAFE_INTEGER): Promise<Check[]> {
    const database = await this.#opening;
    const checks = await database
      .selectFrom("monitor_checks")
      .selectAll()
      .where("target", "=", target)
      .where("id", "<", before)
      .orderBy("id", "desc")
      .limit(limit)
      .execute();
    return checks.reverse();
  }

  /** Of the checks since a time, up to an id. */
  async totals(target: string, since: number, upTo: number): Promise<Totals> {
    const database = await this.#opening;
    return database
      .selectFrom("monitor_checks")
      .select((each) => [
        each.fn.countAll<number>().as("checks"),
        each.fn.count<number>("failure").as("failed"),
        // The first check of a restarted probe counts, those that follow it in peace have 0.
        each.fn.count<number>(each.fn<number | null>("nullif", ["attempt", each.lit(0)])).as("restarts"),
      ])
      .where("target", "=", target)
      .where("at", ">=", since)
      .where("id", "<=", upTo)
      .executeTakeFirstOrThrow();
  }

  protected async main(token: CancellationToken): Promise<void> {
    const { location, logger } = this.#options;
    this.#opening = openDatabase(location, (error) => {
      logger.warn({ err: error }, "a connection to the database was lost");
    });
    const database = await this.#opening;
    try {
      for (;;) {
        this.spawn(() => this.#prune(database), { name: "prune" });
        // It has been logged if it failed, and has another chance.
        for await (const task of this.taskGroup.asCompleted()) logger.debug({ task: task.name }, task.status);
        await sleep(betweenPrunings, token);
      }
    } finally {
      await database.destroy();
    }
  }

  protected account(): string {
    return `${count(this.#recorded, "check")} recorded`;
  }

  async #prune(database: Tabular): Promise<void> {
    const oldest = Date.now() - this.#options.keep;
    await database.deleteFrom("monitor_checks").where("at", "<", oldest).execute();
  }
}
