import { Deferred } from "@scope/test-utils";
import { eventually, usePostgres } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { taskNames } from "../src/arguments.ts";
import { openDatabase } from "../src/database.ts";
import { Store, enqueue } from "../src/store.ts";
import { connect, hasServer, silent, useDirectories } from "./databases.ts";
import { Run, allOrders, command, firstArrivals, openWebhook } from "./program.ts";

const freshDirectory = useDirectories();

const lastLines = (text: string, count: number): string[] => text.trimEnd().split("\n").slice(-count);

describe("the demonstration", () => {
  it("delivers everything but the row that is never accepted, counts, and exits with 0", async () => {
    const run = new Run([]);

    expect(await run.ended()).toBe(0);
    const tenths = run.stdout.match(/^outbox: \d+\/120 rows/gm);
    expect(tenths?.at(-1)).toBe("outbox: 120/120 rows");
    expect(lastLines(run.stdout, 3)).toEqual([
      expect.stringMatching(
        /^outbox: this run: \d+ attempts, 119 rows delivered, \d+ attempts failed, 1 dead$/,
      ),
      "outbox: the table: 0 rows waiting, 119 delivered, 1 dead",
      expect.stringMatching(/^outbox: the webhook: 119 rows, \d+ of them again, 0 out of order$/),
    ]);
    expect(run.log).toContainEqual(expect.objectContaining({ level: 50, key: "order-13", attempt: 4 }));
    expect(run.log.map(({ problem }) => problem)).toEqual(
      expect.arrayContaining(["status 503", "status 422"]),
    );
    // eslint-disable-next-line no-control-regex -- that is what it is about
    expect(run.stdout + run.stderr).not.toMatch(/\x1b/);
  });

  it("on a terminal shows a bar, with a log for eyes above it, and is stopped by Ctrl-C in order", async () => {
    // Enough for a busy machine: what is answered too late was received, and counts as failed.
    const words = ["script", "-qec", command(["--timeout=5s"]).join(" "), "/dev/null"];
    const run = new Run([], { words, stdin: "pipe" });
    await eventually(() => expect(run.stdout).toMatch(/[1-9]\d*\/120 rows \| \d+ failed attempts, 0 dead/));
    await run.printed(/not accepted/);

    run.process.stdin!.write("\x03");

    expect(await run.ended()).toBe(130);
    expect(run.stdout).toMatch(/░/);
    expect(run.stdout).toMatch(/WARN.*not accepted/);
    const counted = /the table: (\d+) rows waiting, (\d+) delivered, \d dead\r\n/.exec(run.stdout);
    const received = /the webhook: (\d+) rows, (\d+) of them again, 0 out of order\r\n$/.exec(run.stdout);
    expect(Number(counted![2])).toBeGreaterThan(0);
    expect(received!.slice(1)).toEqual([counted![2], expect.any(String)]);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("is stopped by %s in order, and exits with %i", async (signal, exitCode) => {
    const run = new Run([]);
    await run.printed(/12\/120 rows/);

    run.kill(signal);

    expect(await run.ended()).toBe(exitCode);
    expect(run.stdout).not.toContain("120/120");
    expect(run.stdout).toMatch(/^outbox: the webhook: \d+ rows, \d+ of them again, 0 out of order\n/m);
    expect(run.log.filter(({ level }) => level >= 50)).toEqual([]);
  });

  it("does not mind a reader that goes away", async () => {
    const run = new Run(["--orders=2"]);
    run.process.stdout!.destroy();
    run.process.stderr!.destroy();

    expect(await run.ended()).toBe(0);
  });
});

describe("a bug", () => {
  it.each(taskNames)(
    "in the %s ends the whole process in order, with code 1 and a line that names it",
    async (task) => {
      const webhook = await openWebhook();
      const directory = await freshDirectory();
      const run = new Run([
        `--webhook=${webhook.url}`,
        `--data=${directory}`,
        "--orders=400",
        `--chaos=${task}`,
        "--lease=1s",
      ]);

      expect(await run.ended()).toBe(1);
      const told = run.log.filter(({ level }) => level >= 50).map(({ msg }) => msg);
      expect(told).toHaveLength(2);
      expect(told[0]).toContain("TypeError: Cannot read properties of undefined (reading 'total')\n");
      expect(told[1]).toMatch(new RegExp(`^Exception in background task \\(name="${task}"\\): `));
      expect(lastLines(run.stdout, 1)).toEqual([
        expect.stringMatching(/^outbox: the table: \d+ rows waiting, \d+ delivered, 0 dead$/),
      ]);

      // Everything was closed and given back: the next one has to wait for no lease.
      await using database = await openDatabase({ directory }, silent);
      expect(await database.query("SELECT id FROM outbox WHERE claimed_by IS NOT NULL")).toEqual([]);
      const store = await Store.open(database, "next", 1_000);
      const { waiting, delivered } = await store.counts();
      expect(waiting).toBeGreaterThan(0);
      expect(delivered).toBeLessThanOrEqual(webhook.summary.rows);
    },
  );

  it("is told to the last line through a pipe that is read late", async () => {
    const run = new Run(["--chaos"], {
      words: [
        "sh",
        "-c",
        `{ "$@" 2>&1; echo "exit code $?"; } | { sleep 3; cat; }`,
        "sh",
        ...command(["--chaos"]),
      ],
    });

    expect(await run.ended()).toBe(0);
    expect(run.stdout).toContain('Exception in background task (name=\\"dispatcher\\")');
    expect(lastLines(run.stdout, 2)).toEqual([
      expect.stringMatching(/^outbox: the webhook: \d+ rows, \d+ of them again, 0 out of order$/),
      "exit code 1",
    ]);
  });
});

describe("the naive version", () => {
  it("delivers as well, as long as there is no bug", async () => {
    const webhook = await openWebhook();
    const directory = await freshDirectory();
    await fill(directory, 10);

    const run = new Run([`--webhook=${webhook.url}`, `--data=${directory}`], { program: "naive.ts" });

    await eventually(() => expect(webhook.summary.rows).toBe(10));
    expect(run.running).toBe(true);
  });

  it.each(["poller", "dispatcher"] as const)(
    "with a bug in the %s goes on as if nothing were: alive, its heart beating, and nothing is delivered",
    async (task) => {
      const webhook = await openWebhook();
      const directory = await freshDirectory();
      await fill(directory, 200);
      const args = [
        `--webhook=${webhook.url}`,
        `--data=${directory}`,
        `--chaos=${task}`,
        "--lease=300ms",
        "--poll=20ms",
      ];
      const run = new Run(args, { program: "naive.ts" });
      await run.logs("Cannot read properties of undefined");
      // What was under way has ended by the next beat.
      const beats = () => run.log.filter(({ msg }) => msg === "heartbeat");
      const beatsThen = beats().length;
      await eventually(() => expect(beats().length).toBeGreaterThan(beatsThen + 1));
      const received = webhook.accepted.length;

      await eventually(() => expect(beats().length).toBeGreaterThan(beatsThen + 12));

      expect(webhook.accepted).toHaveLength(received);
      expect(received).toBeLessThan(200);
      expect(beats().at(-1)!.waiting).toBeGreaterThan(0);
      expect(run.running).toBe(true);
    },
  );

  it("with a bug in the heartbeat lets its leases run out without a word", async () => {
    const gate = new Deferred<undefined>();
    const webhook = await openWebhook(async ({ attempt }) => {
      if (attempt === 1) await gate.promise;
      return 200;
    });
    const directory = await freshDirectory();
    await fill(directory, 3);
    const args = [
      `--webhook=${webhook.url}`,
      `--data=${directory}`,
      "--chaos=heartbeat",
      "--lease=600ms",
      "--poll=20ms",
    ];
    const run = new Run(args, { program: "naive.ts" });
    await run.logs("Cannot read properties of undefined");

    // It claims again what it is still sending.
    await eventually(() => expect(webhook.summary.rows).toBe(3));
    gate.resolve(undefined);

    await eventually(() => expect(webhook.summary.repeated).toBe(3));
    expect(run.running).toBe(true);
  });

  it("is ended by Node in the middle of everything when nobody catches its rejections", async () => {
    const webhook = await openWebhook(() => "hang");
    const directory = await freshDirectory();
    await fill(directory, 200);
    const run = new Run(
      [`--webhook=${webhook.url}`, `--data=${directory}`, "--chaos=poller", "--poll=20ms"],
      {
        program: "naive.ts",
        env: { NODE_OPTIONS: "--unhandled-rejections=strict" },
      },
    );

    expect(await run.ended()).toBe(1);

    expect(run.stderr).toContain("TypeError: Cannot read properties of undefined");
    await using database = await openDatabase({ directory }, silent);
    expect(await database.query("SELECT id FROM outbox WHERE claimed_by IS NOT NULL")).toHaveLength(8);
  });

  it("repeats what was under way at a SIGTERM", async () => {
    const gate = new Deferred<undefined>();
    const webhook = await openWebhook(async () => {
      await gate.promise;
      return 200;
    });
    const directory = await freshDirectory();
    await fill(directory, 3);
    const args = [`--webhook=${webhook.url}`, `--data=${directory}`, "--lease=300ms"];
    const run = new Run(args, { program: "naive.ts" });
    await eventually(() => expect(webhook.unanswered).toBe(3));

    run.kill("SIGTERM");
    await run.ended();
    gate.resolve(undefined);
    await new Run([...args, "--orders=1"]).ended();

    expect(webhook.summary).toEqual({ rows: 6, repeated: 3, outOfOrder: 0 });
  });
});

async function fill(directory: string, keys: number): Promise<void> {
  await using database = await openDatabase({ directory }, silent);
  await Store.open(database, "test", 1_000);
  await database.transaction(async (query) => {
    for (let key = 0; key < keys; key++) await enqueue(query, `key ${key}`, { number: key });
  });
}

describe("the end", () => {
  it("of a webhook that hangs is not waited for longer than --drain", async () => {
    const webhook = await openWebhook(() => "hang");
    const directory = await freshDirectory();
    const args = [`--webhook=${webhook.url}`, `--data=${directory}`, "--orders=3", "--drain=100ms"];
    const run = new Run(args);
    await run.printed(/delivering to/);
    await eventually(() => expect(webhook.unanswered).toBeGreaterThan(0));

    run.kill("SIGTERM");

    expect(await run.ended()).toBe(143);
    expect(run.log).toContainEqual(
      expect.objectContaining({ msg: "cut short, will be sent again: no time is left" }),
    );
  });

  it("is at once on a second signal, which names who still runs", async () => {
    const webhook = await openWebhook(() => "hang");
    const run = new Run([
      `--webhook=${webhook.url}`,
      `--data=${await freshDirectory()}`,
      "--orders=3",
      "--drain=1h",
    ]);
    await eventually(() => expect(webhook.unanswered).toBeGreaterThan(0));
    // Whichever comes second.
    run.kill("SIGTERM");
    run.kill("SIGINT");

    expect([130, 143]).toContain(await run.ended());
    expect(run.log.at(-1)?.msg).toMatch(
      /^Forced exit: a second signal, SIG(INT|TERM); still running: main, .*"dispatcher"/,
    );
  });

  it("comes with exit code 1 and a log line when there is no database", async () => {
    const run = new Run(["--webhook=http://127.0.0.1:9/"], {
      env: { DATABASE_URL: "postgresql://nobody@127.0.0.1:9/nothing" },
    });

    expect(await run.ended()).toBe(1);
    expect(run.log.map(({ msg }) => msg)).toEqual([
      expect.stringContaining("ECONNREFUSED"),
      expect.stringMatching(/^Exception in main: /),
    ]);
    expect(run.stdout).toBe("");
  });

  it("comes also when nothing was accepted: then every row is dead", async () => {
    const webhook = await openWebhook(() => 503);
    const args = [`--webhook=${webhook.url}`, `--data=${await freshDirectory()}`, "--orders=1"];
    const run = new Run([...args, "--attempts=3", "--retry-initial=10ms"]);

    expect(await run.ended()).toBe(0);
    expect(run.stdout).toContain("outbox: the table: 0 rows waiting, 0 delivered, 3 dead\n");
  });
});

describe.runIf(hasServer)("with a server", () => {
  const server = usePostgres();

  it("writes and delivers orders, and leaves by itself", async () => {
    const webhook = await openWebhook();
    const env = { DATABASE_URL: await server.createDatabase() };
    const run = new Run([`--webhook=${webhook.url}`, "--orders=20"], { env });

    expect(await run.ended()).toBe(0);
    expect(firstArrivals(webhook.accepted)).toEqual(allOrders(20));
    expect(webhook.summary).toEqual({ rows: 60, repeated: 0, outOfOrder: 0 });
    expect(run.stdout).toContain("outbox: the table: 0 rows waiting, 60 delivered, 0 dead\n");
  });

  it("delivers what others write until a signal", async () => {
    const webhook = await openWebhook();
    const url = await server.createDatabase();
    const run = new Run([`--webhook=${webhook.url}`, "--poll=20ms"], { env: { DATABASE_URL: url } });
    await run.printed(/delivering to/);
    const database = await connect(url);
    await enqueue(database.query, "a", { number: 1 });
    await eventually(() => expect(webhook.accepted).toHaveLength(1));
    await enqueue(database.query, "a", { number: 2 });
    await eventually(() => expect(webhook.accepted).toHaveLength(2));

    run.kill("SIGTERM");

    expect(await run.ended()).toBe(143);
    expect(run.stdout).toContain(
      "outbox: this run: 2 attempts, 2 rows delivered, 0 attempts failed, 0 dead\n",
    );
  });
});

describe.runIf(hasServer)("a server that goes away", () => {
  const server = usePostgres();

  it("ends the relay with code 1, for its service manager to start it again", async () => {
    const webhook = await openWebhook();
    const run = new Run([`--webhook=${webhook.url}`, "--poll=20ms"], {
      env: { DATABASE_URL: await server.createDatabase() },
    });
    await run.printed(/delivering to/);

    await server.stop();

    expect(await run.ended()).toBe(1);
    expect(run.log.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/^Exception in background task \(name="poller"\)/),
    );
  });
});
