import { eventually, usePostgres } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { Store, enqueue } from "../src/store.ts";
import { connect, hasServer } from "./databases.ts";
import { Run, firstArrivals, openWebhook, randomNumbers } from "./program.ts";

const [keys, rows] = [30, 5];
const expected = Object.fromEntries(
  Array.from({ length: keys }, (_, key) => [`key ${key}`, Array.from({ length: rows }, (_, row) => row)]),
);

describe.runIf(hasServer)("two relays at one server", () => {
  const server = usePostgres();

  const begin = async (manner: Parameters<typeof openWebhook>[0], ...args: string[]) => {
    const webhook = await openWebhook(manner);
    const url = await server.createDatabase();
    const start = () => {
      const common = [`--webhook=${webhook.url}`, "--poll=20ms", "--concurrency=4", "--retry-initial=10ms"];
      return new Run([...common, ...args], { env: { DATABASE_URL: url } });
    };
    const [ann, bob] = [start(), start()];
    await Promise.all([ann.printed(/delivering to/), bob.printed(/delivering to/)]);
    const database = await connect(url);
    const store = await Store.open(database, "test", 1_000);
    await database.transaction(async (query) => {
      for (let row = 0; row < rows; row++) {
        for (let key = 0; key < keys; key++) await enqueue(query, `key ${key}`, { number: row });
      }
    });
    return { webhook, ann, bob, store };
  };

  const deliveredBy = (run: Run): number => Number(/(\d+) rows delivered/.exec(run.stdout)?.[1]);

  it("share the work: every row once, in order per key, whatever fails", async () => {
    const random = randomNumbers(7);
    const { webhook, ann, bob, store } = await begin(() => (random() < 0.2 ? 500 : 200));
    await eventually(async () => expect(await store.counts()).toMatchObject({ waiting: 0 }));

    ann.kill("SIGTERM");
    bob.kill("SIGTERM");

    expect(await Promise.all([ann.ended(), bob.ended()])).toEqual([143, 143]);
    expect(firstArrivals(webhook.accepted)).toEqual(expected);
    expect(webhook.summary).toEqual({ rows: keys * rows, repeated: 0, outOfOrder: 0 });
    expect(deliveredBy(ann)).toBeGreaterThan(0);
    expect(deliveredBy(bob)).toBeGreaterThan(0);
    expect(deliveredBy(ann) + deliveredBy(bob)).toBe(keys * rows);
  });

  it("stand in for each other: what a killed one had claimed is the other's after the lease", async () => {
    let requests = 0;
    const stand: { victim?: Run } = {};
    const { webhook, ann, bob, store } = await begin(() => {
      if (++requests === 40) stand.victim?.kill("SIGKILL");
      return 200;
    }, "--lease=400ms");
    stand.victim = ann;
    if (requests >= 40) ann.kill("SIGKILL");

    expect(await ann.ended()).toBe("SIGKILL");
    await eventually(async () => expect(await store.counts()).toMatchObject({ waiting: 0, dead: 0 }));

    bob.kill("SIGTERM");
    expect(await bob.ended()).toBe(143);
    expect(firstArrivals(webhook.accepted)).toEqual(expected);
    expect(webhook.summary).toMatchObject({ rows: keys * rows, outOfOrder: 0 });
  });

  it("do not trust one that was frozen for longer than its lease: its claims are lost when it wakes up", async () => {
    const stand: { frozen?: Run } = {};
    let requests = 0;
    const { webhook, ann, bob, store } = await begin(
      ({ attempt }) => {
        if (++requests === 40) stand.frozen?.kill("SIGSTOP");
        return attempt === 1 && requests >= 40 && requests < 48 ? "hang" : 200;
      },
      "--lease=400ms",
      "--timeout=1s",
    );
    stand.frozen = ann;
    if (requests >= 40) ann.kill("SIGSTOP");
    await eventually(async () => {
      const { delivered } = await store.counts();
      expect(delivered).toBeGreaterThan(100);
    });
    ann.kill("SIGCONT");

    await eventually(async () => expect(await store.counts()).toMatchObject({ waiting: 0, dead: 0 }));
    ann.kill("SIGTERM");
    bob.kill("SIGTERM");

    expect(await Promise.all([ann.ended(), bob.ended()])).toEqual([143, 143]);
    expect(firstArrivals(webhook.accepted)).toEqual(expected);
    expect(webhook.summary).toMatchObject({ rows: keys * rows, outOfOrder: 0 });
  });
});
