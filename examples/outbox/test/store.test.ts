import { eventually, usePostgres } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import type { Database } from "../src/database.ts";
import { type Row, Store, enqueue } from "../src/store.ts";
import { connect, hasServer, useDatabases } from "./databases.ts";

const long = 3_600_000;

async function write(database: Database, ...keys: string[]): Promise<void> {
  for (const [index, key] of keys.entries()) await enqueue(database.query, key, { number: index + 1 });
}

const numbersOf = (rows: readonly Row[]): number[] =>
  rows.map(({ payload }) => (JSON.parse(payload) as { number: number }).number);

describe.each(useDatabases())("Store, %s", (_, open) => {
  const openStore = async (lease = long) => {
    const database = await open();
    return { database, store: await Store.open(database, "ann", lease) };
  };

  it("claims the first row of each key, in order, and no more than asked for", async () => {
    const { database, store } = await openStore();
    await write(database, "a", "a", "b", "c", "b");

    expect(numbersOf(await store.claim(2))).toEqual([1, 3]);
    expect(numbersOf(await store.claim(10))).toEqual([4]);
    expect(numbersOf(await store.claim(10))).toEqual([]);
  });

  it("claims the next row of a key when the one before it is delivered", async () => {
    const { database, store } = await openStore();
    await write(database, "a", "a");
    const [first] = await store.claim(1);

    expect(await store.delivered(first!)).toBe(true);

    expect(await store.claim(1)).toMatchObject([
      { key: "a", payload: '{"number": 2}', attempt: 1, skipped: [] },
    ]);
    expect(await store.counts()).toEqual({ waiting: 1, delivered: 1, dead: 0 });
  });

  it("has a row that has failed block its key alone, until it is due again", async () => {
    const { database, store } = await openStore();
    await write(database, "a", "a", "b");
    const [first] = await store.claim(1);
    await store.failed(first!, "status 500", long);

    expect(numbersOf(await store.claim(10))).toEqual([3]);

    await database.query("UPDATE outbox SET due_at = now() WHERE key = 'a'");
    expect(await store.claim(10)).toMatchObject([{ id: first!.id, attempt: 2 }]);
  });

  it("lets a key go on without a dead row, and tells the next one", async () => {
    const { database, store } = await openStore();
    await write(database, "a", "a", "a", "a", "b");
    const dead: string[] = [];
    for (let times = 0; times < 2; times++) {
      const [row] = await store.claim(1);
      await store.dead(row!, "status 422");
      dead.push(row!.id);
    }

    const [third] = await store.claim(1);
    expect(third).toMatchObject({ payload: '{"number": 3}', skipped: dead });
    await store.delivered(third!);
    expect(await store.claim(2)).toMatchObject([
      { payload: '{"number": 4}', skipped: [] },
      { key: "b", skipped: [] },
    ]);
    expect(await store.counts()).toEqual({ waiting: 2, delivered: 1, dead: 2 });
  });

  it("leaves what another relay has claimed alone, until its lease has run out", async () => {
    const { database, store } = await openStore();
    const bob = await Store.open(database, "bob", long);
    await write(database, "a", "a");
    const [row] = await store.claim(1);

    expect(await bob.claim(10)).toEqual([]);

    await database.query("UPDATE outbox SET leased_until = now()");
    expect(await bob.claim(10)).toMatchObject([{ id: row!.id, attempt: 2 }]);
    expect(await store.renew()).toEqual(new Set());
    expect(await bob.renew()).toEqual(new Set([row!.id]));
  });

  it("renews its leases", async () => {
    const { database, store } = await openStore();
    await write(database, "a");
    await store.claim(1);
    await database.query("UPDATE outbox SET leased_until = now()");

    await store.renew();

    expect(await store.claim(1)).toEqual([]);
  });

  it.each(["delivered", "failed", "dead"] as const)(
    "does not take %s from somebody who has lost the claim, not even to itself",
    async (outcome) => {
      const { database, store } = await openStore();
      await write(database, "a");
      const [lost] = await store.claim(1);
      await database.query("UPDATE outbox SET leased_until = now()");
      const [held] = await store.claim(1);

      expect(await (outcome === "delivered" ? store.delivered(lost!) : store[outcome](lost!, "no", 0))).toBe(
        false,
      );

      expect(await store.delivered(held!)).toBe(true);
    },
  );

  it("gives back what it has claimed, and nothing else", async () => {
    const { database, store } = await openStore();
    const bob = await Store.open(database, "bob", long);
    await write(database, "a", "b", "c");
    await store.claim(1);
    await bob.claim(1);

    await store.release();

    expect(numbersOf(await store.claim(10))).toEqual([1, 3]);
  });

  it("knows how much waits, and for how long", async () => {
    const { database, store } = await openStore();
    expect(await store.backlog()).toEqual({ waiting: 0, oldestMs: 0 });
    await write(database, "a", "a");
    await database.query(
      "UPDATE outbox SET created_at = now() - interval '1 minute' WHERE payload->>'number' = '1'",
    );

    const { waiting, oldestMs } = await store.backlog();

    expect(waiting).toBe(2);
    expect(oldestMs).toBeGreaterThanOrEqual(60_000);
  });

  it("keeps keys and payloads as they are", async () => {
    const { database, store } = await openStore();
    const payload = { text: "Größe \\ \" ' $1 \n 🎁", list: [1, null] };
    await enqueue(database.query, "Kunde 7 — ü", payload);

    const [row] = await store.claim(1);

    expect(row!.key).toBe("Kunde 7 — ü");
    expect(JSON.parse(row!.payload)).toEqual(payload);
  });

  it("writes a row with its transaction, or not at all", async () => {
    const { database, store } = await openStore();
    const failure = new Error("out of stock");

    await expect(
      database.transaction(async (query) => {
        await enqueue(query, "a", { number: 1 });
        throw failure;
      }),
    ).rejects.toBe(failure);

    expect(await store.claim(1)).toEqual([]);
  });
});

describe.runIf(hasServer)("the table, with several connections", () => {
  const server = usePostgres();

  it("is created once by many who start at once", async () => {
    const database = await connect(await server.createDatabase());

    const stores = Array.from({ length: 8 }, (_, index) => Store.open(database, `relay ${index}`, long));

    await expect(Promise.all(stores)).resolves.toHaveLength(8);
  });

  it("has transactions that write to one key wait for each other, so that positions follow commits", async () => {
    const database = await connect(await server.createDatabase());
    const store = await Store.open(database, "ann", long);
    const written: Promise<void>[] = [];
    await database.transaction(async (query) => {
      await enqueue(query, "a", { number: 1 });
      written.push(database.transaction((other) => enqueue(other, "a", { number: 2 })));
      // Nobody else waits for anything in this database.
      await eventually(async () => {
        const [locks] = await database.query<{ waiting: number }>(
          `SELECT count(*)::integer AS waiting FROM pg_locks
           WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        expect(locks).toEqual({ waiting: 1 });
      });
      await enqueue(database.query, "b", { number: 3 });
    });
    await Promise.all(written);

    expect(numbersOf(await store.claim(10)).sort()).toEqual([1, 3]);
    const rows = await database.query<{ number: number }>(
      "SELECT (payload->>'number')::integer AS number FROM outbox WHERE key = 'a' ORDER BY position",
    );
    expect(rows).toEqual([{ number: 1 }, { number: 2 }]);
  });

  it("never gives a row, or two rows of a key, to two relays that claim at once", async () => {
    const database = await connect(await server.createDatabase());
    const relays = await Promise.all(
      Array.from({ length: 6 }, (_, index) => Store.open(database, `relay ${index}`, long)),
    );
    await write(database, ...Array.from({ length: 120 }, (_, index) => `key ${index % 40}`));

    const claims = await Promise.all(Array.from({ length: 30 }, (_, index) => relays[index % 6]!.claim(5)));

    const keys = claims.flat().map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThan(0);
  });
});
