import type { Database, Query } from "./database.ts";
import { schema } from "./schema.ts";

/** A row that this relay has claimed. */
export interface Row {
  readonly id: string;
  readonly key: string;
  /** JSON. */
  readonly payload: string;
  /** Larger than that of the row of the same key before it. */
  readonly position: string;
  /** The first one is 1. */
  readonly attempt: number;
  /** The dead rows of this key since the last one that was delivered. */
  readonly skipped: readonly string[];
}

export interface Counts {
  readonly waiting: number;
  readonly delivered: number;
  readonly dead: number;
}

/** Puts a row into the outbox: to be called with the transaction that it is about. */
export async function enqueue(query: Query, key: string, payload: unknown): Promise<void> {
  await query("INSERT INTO outbox (key, payload) VALUES ($1, $2)", [key, JSON.stringify(payload)]);
}

/** What a relay does to the table. Times are the database's, so that clocks need not agree. */
export class Store {
  readonly #query: Query;
  /** Who claims. */
  readonly relay: string;
  readonly #lease: number;

  /** @param lease Milliseconds. */
  static async open(database: Database, relay: string, lease: number): Promise<Store> {
    await database.execute(schema);
    return new Store(database.query, relay, lease);
  }

  private constructor(query: Query, relay: string, lease: number) {
    this.#query = query;
    this.relay = relay;
    this.#lease = lease;
  }

  /**
   * Claims rows that are due, at most one of each key: the first that waits. Rows that another relay is about to claim are
   * passed over, and what it has claimed stays claimed until it is done, or its lease has run out.
   */
  async claim(limit: number): Promise<Row[]> {
    const rows = await this.#query<Omit<Row, "skipped"> & { skipped: string | null }>(
      `WITH heads AS MATERIALIZED (
         SELECT id FROM outbox AS head
         WHERE status = 'waiting' AND due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
           AND NOT EXISTS (
             SELECT FROM outbox AS earlier
             WHERE earlier.status = 'waiting' AND earlier.key = head.key AND earlier.position < head.position)
         ORDER BY position LIMIT $2
         FOR UPDATE SKIP LOCKED)
       UPDATE outbox AS row
       SET claimed_by = $1, leased_until = now() + $3 * interval '1 ms', attempts = attempts + 1
       FROM heads WHERE row.id = heads.id
       RETURNING row.id, key, payload::text, position::text, attempts AS attempt,
         (SELECT string_agg(dead.id::text, ' ' ORDER BY dead.position) FROM outbox AS dead
          WHERE dead.key = row.key AND dead.status = 'dead' AND dead.position < row.position
            AND dead.position > COALESCE(
              (SELECT max(done.position) FROM outbox AS done
               WHERE done.key = row.key AND done.status = 'delivered' AND done.position < row.position),
              0)) AS skipped`,
      [this.relay, limit, this.#lease],
    );
    return rows
      .map((row) => ({ ...row, skipped: row.skipped?.split(" ") ?? [] }))
      .sort((a, b) => Number(BigInt(a.position) - BigInt(b.position)));
  }

  /** Resolves with false if the claim was lost: then another relay has the last word. */
  delivered(row: Row): Promise<boolean> {
    return this.#settle(row, "status = 'delivered', delivered_at = now(), error = NULL");
  }

  /** Resolves with false if the claim was lost. */
  failed(row: Row, error: string, retryIn: number): Promise<boolean> {
    return this.#settle(row, "due_at = now() + $4 * interval '1 ms', error = $5", retryIn, error);
  }

  /** Resolves with false if the claim was lost. */
  dead(row: Row, error: string): Promise<boolean> {
    return this.#settle(row, "status = 'dead', error = $4", error);
  }

  /** The number of the attempt tells this claim from a later one, also of the same relay. */
  async #settle(row: Row, change: string, ...values: readonly unknown[]): Promise<boolean> {
    const settled = await this.#query(
      `UPDATE outbox SET ${change}, claimed_by = NULL, leased_until = NULL
       WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND status = 'waiting' RETURNING id`,
      [row.id, this.relay, row.attempt, ...values],
    );
    return settled.length > 0;
  }

  /** Makes the leases begin anew, and resolves with the ids of the rows that are still claimed. */
  async renew(): Promise<Set<string>> {
    const rows = await this.#query<{ id: string }>(
      `UPDATE outbox SET leased_until = now() + $2 * interval '1 ms'
       WHERE claimed_by = $1 AND status = 'waiting' RETURNING id`,
      [this.relay, this.#lease],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** Gives back whatever is still claimed. */
  async release(): Promise<void> {
    await this.#query(
      "UPDATE outbox SET claimed_by = NULL, leased_until = NULL WHERE claimed_by = $1 AND status = 'waiting'",
      [this.relay],
    );
  }

  async counts(): Promise<Counts> {
    const rows = await this.#query<{ status: keyof Counts; count: number }>(
      "SELECT status, count(*)::integer AS count FROM outbox GROUP BY status",
    );
    const counted = Object.fromEntries(rows.map(({ status, count }) => [status, count]));
    return { waiting: 0, delivered: 0, dead: 0, ...counted };
  }

  /** How many rows wait, and for how many milliseconds the oldest of them has. */
  async backlog(): Promise<{ waiting: number; oldestMs: number }> {
    const [row] = await this.#query<{ waiting: number; oldestMs: number }>(
      `SELECT count(*)::integer AS waiting,
         COALESCE(extract(epoch FROM now() - min(created_at)) * 1000, 0)::float8 AS "oldestMs"
       FROM outbox WHERE status = 'waiting'`,
    );
    return row ?? { waiting: 0, oldestMs: 0 };
  }
}
