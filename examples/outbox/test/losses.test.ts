import { existsSync } from "node:fs";

import { Deferred } from "@scope/test-utils";
import { eventually, usePostgres } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { openDatabase } from "../src/database.ts";
import type { LoopbackWebhook, Manner } from "../src/loopback.ts";
import { hasServer, silent, useDirectories } from "./databases.ts";
import { Run, allOrders, firstArrivals, newDirectory, openWebhook, randomNumbers } from "./program.ts";

/** A database that outlives the processes, and how they are told about it. */
interface Place {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

type FindPlace = () => Promise<Place>;

function usePlaces(): [name: string, find: FindPlace][] {
  const directories = useDirectories();
  const embedded: FindPlace = async () => ({ args: [`--data=${await directories()}`], env: {} });
  if (!hasServer) return [["embedded", embedded]];
  const server = usePostgres();
  return [
    ["embedded", embedded],
    ["a server", async () => ({ args: [], env: { DATABASE_URL: await server.createDatabase() } })],
  ];
}

const orders = 15;

function start(place: Place, webhook: LoopbackWebhook, ...args: string[]): Run {
  const common = [`--webhook=${webhook.url}`, `--orders=${orders}`, "--poll=20ms", "--retry-initial=10ms"];
  return new Run([...common, ...place.args, ...args], { env: place.env });
}

describe.each(usePlaces())("nothing is lost, %s:", (_, findPlace) => {
  it.each([1, 2])(
    "killed again and again, it delivers every row at least once, in order (seed %i)",
    async (seed) => {
      const random = randomNumbers(seed);
      const kills = 4;
      const place = await findPlace();
      let answers = 0;
      let shoot: (() => void) | undefined;
      let shot = 0;
      const webhook = await openWebhook(() => {
        // Before the answer, or after it: then the row may or may not be written down as delivered.
        if (shoot !== undefined && --answers <= 0) {
          if (random() < 0.4) shoot();
          else setTimeout(shoot, random() * 12);
          shoot = undefined;
        }
        return random() < 0.1 ? 500 : 200;
      });

      for (;;) {
        const run = start(place, webhook, "--lease=400ms");
        const kill = (): void => run.kill("SIGKILL");
        if (shot < kills) {
          answers = 1 + Math.floor(random() * 9);
          shoot = kill;
          // Now and then before it has begun.
          if (random() < 0.2) setTimeout(kill, random() * 900);
        }
        const ending = await run.ended();
        shoot = undefined;
        if (ending === 0) break;
        expect(ending, run.stderr).toBe("SIGKILL");
        shot += 1;
      }

      expect(shot).toBe(kills);
      expect(firstArrivals(webhook.accepted)).toEqual(allOrders(orders));
      expect(webhook.summary).toMatchObject({ rows: 3 * orders, outOfOrder: 0 });
    },
  );

  it("told to end in the middle, it loses nothing and repeats nothing", async () => {
    const place = await findPlace();
    const gates: Deferred<undefined>[] = [];
    let held = 0;
    const hold: Manner = async () => {
      const gate = gates.at(-1);
      if (gate !== undefined && ++held > 5) await gate.promise;
      return 200;
    };
    const webhook = await openWebhook(hold);

    for (const signal of ["SIGTERM", "SIGINT", "SIGTERM"] as const) {
      const gate = new Deferred<undefined>();
      gates.push(gate);
      held = 0;
      const run = start(place, webhook, "--lease=1h");
      await eventually(() => expect(held).toBeGreaterThan(5));
      const before = webhook.accepted.length;
      run.kill(signal);
      gate.resolve(undefined);
      expect(await run.ended()).toBe(signal === "SIGINT" ? 130 : 143);
      // What was under way was accepted, and the signal was not the end of all.
      expect(webhook.accepted.length).toBeGreaterThan(before);
      expect(webhook.accepted.length).toBeLessThan(3 * orders);
      gates.length = 0;
    }
    expect(await start(place, webhook, "--lease=1h").ended()).toBe(0);

    expect(firstArrivals(webhook.accepted)).toEqual(allOrders(orders));
    expect(webhook.summary).toEqual({ rows: 3 * orders, repeated: 0, outOfOrder: 0 });
  });
});

describe("a directory", () => {
  it("is for one process at a time", async () => {
    const directory = await newDirectory();
    await using database = await openDatabase({ directory }, silent);

    const run = new Run(["--webhook=http://127.0.0.1:9", `--data=${directory}`]);

    expect(await run.ended()).toBe(1);
    expect(run.log.at(-1)?.msg).toBe(`Exception in main: Error: ${directory} is in use by another process`);
    expect(await database.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  it("that a killed process has left half made is made anew", async () => {
    const webhook = await openWebhook();
    const directory = await newDirectory();
    const place = { args: [`--data=${directory}`], env: {} };
    const first = start(place, webhook);
    await eventually(() => expect(existsSync(`${directory}.new/PG_VERSION`)).toBe(true));
    first.kill("SIGKILL");
    await first.ended();
    expect(existsSync(directory)).toBe(false);

    expect(await start(place, webhook).ended()).toBe(0);

    await using database = await openDatabase({ directory }, silent);
    expect(
      await database.query("SELECT count(*)::integer AS count FROM outbox WHERE status = 'delivered'"),
    ).toEqual([{ count: 3 * orders }]);
  });
});
