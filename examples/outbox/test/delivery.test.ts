import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";

import { CancellationSource, CancellationToken } from "@scope/core";
import { Deferred } from "@scope/test-utils";
import { eventually } from "@scope/test-utils/node";
import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";

import type { Settings } from "../src/arguments.ts";
import { Bell } from "../src/bell.ts";
import type { Database } from "../src/database.ts";
import { LoopbackWebhook } from "../src/loopback.ts";
import { Relay, runRelay } from "../src/relay.ts";
import { retryDelay } from "../src/retry.ts";
import { Store, enqueue } from "../src/store.ts";
import { useDatabases } from "./databases.ts";
import { type LogLine, firstArrivals, openWebhook, parseLog } from "./program.ts";

const quick: Settings = {
  concurrency: 4,
  poll: 5,
  timeout: 60_000,
  attempts: 30,
  retryInitial: 1,
  retryMax: 4,
  lease: 60_000,
  drain: 60_000,
};

interface Stage {
  readonly relay: Relay;
  readonly log: LogLine[];
  write(key: string, count: number): Promise<void>;
  /** Relays until nothing waits, or the token is cancelled. */
  deliver(token?: CancellationToken): Promise<void>;
}

async function setStage(
  database: Database,
  webhook: string,
  settings: Partial<Settings> = {},
): Promise<Stage> {
  const all = { ...quick, ...settings };
  const log: LogLine[] = [];
  const logger = pino({ base: null }, { write: (text) => void log.push(...parseLog(text)) });
  const store = await Store.open(database, "ann", all.lease);
  const relay = new Relay({ store, webhook, settings: all, logger });
  const news = new Bell();
  relay.onProgress = () => news.ring();
  return {
    relay,
    log,
    write: async (key, count) => {
      for (let number = 1; number <= count; number++) await enqueue(database.query, key, { number });
    },
    deliver: (token = CancellationToken.none) =>
      runRelay(
        relay,
        async (working) => {
          while ((await store.counts()).waiting > 0) await news.heard(working, 50);
        },
        token,
      ),
  };
}

/** A server that accepts connections, and is silent. */
async function silentServer(): Promise<string> {
  const server = createTcpServer((socket) => {
    onTestFinished(() => void socket.destroy());
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe(retryDelay, () => {
  const schedule = { retryInitial: 1_000, retryMax: 60_000 };

  it("doubles after each failure, up to the limit", () => {
    const delays = [1, 2, 3, 6, 7, 30, 2_000].map((attempt) => retryDelay(attempt, schedule, () => 0));
    expect(delays).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it("has a row of the usual settings dead after 18 to 20 hours", () => {
    const usual = { retryInitial: 1_000, retryMax: 3_600_000 };
    const hours = (random: number) =>
      Array.from({ length: 29 }, (_, index) => retryDelay(index + 1, usual, () => random)).reduce(
        (a, b) => a + b,
      ) / 3_600_000;
    expect([hours(0), hours(1)].map(Math.round)).toEqual([18, 20]);
  });

  it("adds up to a tenth, so that rows that failed together part", () => {
    expect(retryDelay(2, schedule, () => 0.5)).toBe(2_100);
    const [one, other] = [retryDelay(3, schedule), retryDelay(3, schedule)];
    for (const delay of [one, other]) {
      expect(delay).toBeGreaterThanOrEqual(4_000);
      expect(delay).toBeLessThan(4_400);
    }
    expect(one).not.toBe(other);
  });
});

describe.each(useDatabases())("a relay, %s", (_, open) => {
  it("delivers every row once, in order per key, with what is written on it", async () => {
    const webhook = await openWebhook();
    const { relay, write, deliver, log } = await setStage(await open(), webhook.url);
    await write("a", 3);
    await write("b ü", 2);

    await deliver();

    expect(firstArrivals(webhook.accepted)).toEqual({ a: [1, 2, 3], "b ü": [1, 2] });
    expect(webhook.summary).toEqual({ rows: 5, repeated: 0, outOfOrder: 0 });
    expect(webhook.accepted[0]).toMatchObject({ key: "a", attempt: 1, skipped: [], body: { number: 1 } });
    expect(relay.tally).toEqual({ attempts: 5, delivered: 5, failed: 0, dead: 0 });
    expect(log).toEqual([]);
  });

  it("never sends more at once than allowed, nor two of a key", async () => {
    let [now, most] = [0, 0];
    const full = new Deferred<undefined>();
    const keys = new Set<string>();
    const webhook = await openWebhook(async ({ key }) => {
      expect(keys).not.toContain(key);
      keys.add(key);
      most = Math.max(most, ++now);
      if (now === 3) full.resolve(undefined);
      await full.promise;
      now -= 1;
      keys.delete(key);
      return 200;
    });
    const { write, deliver } = await setStage(await open(), webhook.url, { concurrency: 3 });
    for (let key = 0; key < 10; key++) await write(`key ${key}`, 3);

    await deliver();

    expect(most).toBe(3);
    expect(webhook.summary).toEqual({ rows: 30, repeated: 0, outOfOrder: 0 });
  });

  it.each([
    ["500", 500],
    ["429", 429],
    ["a redirection, which is not followed,", 302],
  ])("tries again after %s, and only that key waits", async (_, status) => {
    const othersAreThrough = new Deferred<undefined>();
    const webhook = await openWebhook(async ({ key, attempt, body }) => {
      if (key === "b") {
        if ((body as { number: number }).number === 5) othersAreThrough.resolve(undefined);
        return 200;
      }
      if (attempt <= 3 && (body as { number: number }).number === 1) return status;
      await othersAreThrough.promise;
      return 200;
    });
    const { write, deliver, log, relay } = await setStage(await open(), webhook.url, {
      retryInitial: 20,
      retryMax: 50,
    });
    await write("a", 2);
    await write("b", 5);

    await deliver();

    expect(webhook.accepted.slice(0, 5).map(({ key }) => key)).toEqual(["b", "b", "b", "b", "b"]);
    expect(webhook.accepted.slice(5)).toMatchObject([
      { key: "a", attempt: 4, body: { number: 1 } },
      { key: "a", attempt: 1, body: { number: 2 } },
    ]);
    expect(log).toMatchObject(
      [1, 2, 3].map((attempt) => ({ msg: "not accepted", key: "a", attempt, problem: `status ${status}` })),
    );
    const [first, second, third] = log.map(({ retryIn }) => retryIn!);
    expect([first! >= 20, second! >= 40, third! >= 50, third! <= 55]).toEqual([true, true, true, true]);
    expect(relay.tally).toEqual({ attempts: 10, delivered: 7, failed: 3, dead: 0 });
  });

  it("parks a row that is never accepted, and tells the next one of its key", async () => {
    const webhook = await openWebhook(({ body }) => ((body as { number: number }).number === 2 ? 422 : 200));
    const { relay, write, deliver, log } = await setStage(await open(), webhook.url, { attempts: 3 });
    await write("a", 4);

    await deliver();

    expect(firstArrivals(webhook.accepted)).toEqual({ a: [1, 3, 4] });
    const [dead] = log.filter(({ level }) => level === 50);
    expect(dead).toMatchObject({
      msg: "dead: its key goes on without it",
      attempt: 3,
      problem: "status 422",
    });
    expect(webhook.accepted.map(({ skipped }) => skipped.length)).toEqual([0, 1, 0]);
    expect(relay.tally).toEqual({ attempts: 6, delivered: 3, failed: 2, dead: 1 });
  });

  it("gives a webhook that hangs a limited time, and tries again", async () => {
    const webhook = await openWebhook(({ attempt }) => (attempt === 1 ? "hang" : 200));
    const { write, deliver, log } = await setStage(await open(), webhook.url, { timeout: 1_000 });
    await write("a", 1);

    await deliver();

    expect(webhook.accepted).toMatchObject([{ attempt: 2 }]);
    expect(log).toMatchObject([{ msg: "not accepted", problem: "no answer within 1000 ms" }]);
  });

  it("has a name for what is wrong with a webhook that refuses, or only accepts, connections", async () => {
    const database = await open();
    const refusing = await openWebhook();
    const { url } = refusing;
    await refusing[Symbol.asyncDispose]();
    const { write, deliver, log } = await setStage(database, url, { attempts: 1 });
    await write("a", 1);
    await deliver();
    expect(log).toMatchObject([{ problem: expect.stringMatching(/ECONNREFUSED/) as string }]);

    const stage = await setStage(database, await silentServer(), { attempts: 1, timeout: 40 });
    await stage.write("b", 1);
    await stage.deliver();
    expect(stage.log).toMatchObject([{ problem: "no answer within 40 ms" }]);
  });

  it("takes the status for the answer, and does not wait for a body that never ends", async () => {
    const server = createServer((_, response) => {
      response.writeHead(200).write("and then");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const { relay, write, deliver } = await setStage(await open(), `http://127.0.0.1:${port}`);
    await write("a", 2);

    await deliver();

    expect(relay.tally.delivered).toBe(2);
  });

  it("lets what is under way come to its end when it is told to end, and claims nothing more", async () => {
    const begun = new Deferred<undefined>();
    const gate = new Deferred<undefined>();
    const webhook = await openWebhook(async () => {
      begun.resolve(undefined);
      await gate.promise;
      return 200;
    });
    const { relay, write, deliver } = await setStage(await open(), webhook.url);
    await write("a", 2);
    const source = new CancellationSource();
    const delivered = deliver(source.token);
    await begun.promise;

    source.cancel("enough");
    gate.resolve(undefined);

    await expect(delivered).rejects.toMatchObject({ reason: "enough" });
    expect(webhook.accepted).toMatchObject([{ body: { number: 1 } }]);
    expect(await relay.store.counts()).toEqual({ waiting: 1, delivered: 1, dead: 0 });
  });

  it("does not wait for ever for what is under way, and gives its claims back", async () => {
    const begun = new Deferred<undefined>();
    const webhook = await openWebhook(() => {
      begun.resolve(undefined);
      return "hang";
    });
    const database = await open();
    const { write, deliver, log } = await setStage(database, webhook.url, { drain: 40 });
    await write("a", 1);
    const source = new CancellationSource();
    const delivered = deliver(source.token);
    await begun.promise;

    source.cancel("enough");

    await expect(delivered).rejects.toMatchObject({ reason: "enough" });
    expect(log).toMatchObject([
      { msg: expect.stringMatching(/^cut short, will be sent again: no time is left$/) as string },
    ]);
    const next = await Store.open(database, "bob", 1_000);
    expect(await next.claim(1)).toMatchObject([{ attempt: 2 }]);
  });

  it("keeps its claims while a request takes longer than a lease", async () => {
    const database = await open();
    const bob = await Store.open(database, "bob", 60_000);
    const gate = new Deferred<undefined>();
    const begun = new Deferred<undefined>();
    const webhook = await openWebhook(async () => {
      begun.resolve(undefined);
      await gate.promise;
      return 200;
    });
    const { write, deliver, log } = await setStage(database, webhook.url, { lease: 900 });
    await write("a", 1);
    const delivered = deliver();
    await begun.promise;
    const beats = (): number => log.filter(({ msg }) => msg === "heartbeat").length;
    await eventually(() => expect(beats()).toBeGreaterThan(4));

    expect(await bob.claim(1)).toEqual([]);

    gate.resolve(undefined);
    await delivered;
    expect(webhook.summary).toEqual({ rows: 1, repeated: 0, outOfOrder: 0 });
  });

  it("breaks a request off when another relay has taken the row over", async () => {
    const database = await open();
    const bob = await Store.open(database, "bob", 60_000);
    const begun = new Deferred<undefined>();
    const webhook = await openWebhook(() => {
      begun.resolve(undefined);
      return "hang";
    });
    const { write, deliver, log, relay } = await setStage(database, webhook.url, { lease: 300 });
    await write("a", 1);
    const delivered = deliver();
    await begun.promise;
    // As if this one had been asleep for the time of its lease.
    await database.query("UPDATE outbox SET claimed_by = 'bob', attempts = attempts + 1");

    await eventually(() => expect(log).toContainEqual(expect.objectContaining({ key: "a" })));

    expect(log.find(({ key }) => key === "a")?.msg).toBe("cut short, will be sent again: the claim was lost");
    await database.query("UPDATE outbox SET leased_until = now()");
    for (const row of await bob.claim(1)) await bob.delivered(row);
    await database.query("UPDATE outbox SET status = 'delivered'");
    await delivered;
    expect(relay.tally.delivered).toBe(0);
  });
});

describe("the order per key", () => {
  const [, open] = useDatabases()[0]!;

  it("holds, and nothing is lost, whatever the webhook does", async () => {
    const database = await open();
    const outcome = fc.constantFrom(200, 200, 204, 500, 429, "hang" as const);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(outcome),
        fc.integer({ min: 1, max: 5 }),
        async (rowsOfKeys, outcomes, concurrency) => {
          await database.execute("DROP TABLE IF EXISTS outbox");
          await using webhook = await LoopbackWebhook.listen(() => outcomes.next().value as number | "hang");
          const { write, deliver } = await setStage(database, webhook.url, { concurrency, timeout: 60 });
          for (const [key, rows] of rowsOfKeys.entries()) await write(`key ${key}`, rows);

          await deliver();

          expect(firstArrivals(webhook.accepted)).toEqual(
            Object.fromEntries(
              rowsOfKeys.map((rows, key) => [
                `key ${key}`,
                Array.from({ length: rows }, (_, row) => row + 1),
              ]),
            ),
          );
        },
      ),
      { numRuns: 10 },
    );
  });
});
