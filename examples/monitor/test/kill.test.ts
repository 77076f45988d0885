/** What the program says that it has recorded is there when it comes back, whenever it was killed. */
import Database from "libsql";
import { describe, expect, it } from "vitest";

import type { Check } from "../src/database.ts";
import { isPostgres } from "../src/database.ts";
import { backends } from "./backends.ts";
import { Run, makeTargets, openSite } from "./program.ts";

const names = ["a", "b", "c", "d", "e"];
const kills = 4;

interface Acknowledged {
  readonly id: number;
  readonly target: string;
  readonly outcome: string;
}

/** From lines such as "10:00:00 a is down: status 503, expected 200 #17". */
function acknowledgedBy(run: Run): Acknowledged[] {
  return run.lines.flatMap((line) => {
    const [, target = "", outcome = "", id] = /^[\d:]{8} (\w+) is (.*) #(\d+)$/.exec(line) ?? [];
    return id === undefined ? [] : [{ id: Number(id), target, outcome }];
  });
}

const outcomeOf = ({ value, failure }: Check): string =>
  failure === null ? `up (${value!.toFixed(1)} ms)` : `down: ${failure}`;

describe.each(backends)("killed in the middle, with the history in $name", ({ create }) => {
  it(`loses nothing that it has recorded, ${kills} times in a row`, async () => {
    const location = await create();
    let asked = 0;
    const site = await openSite((_, response) => {
      response.writeHead(++asked % 7 === 0 ? 503 : 200).end();
    });
    const file = await makeTargets(
      [
        "every: 1ms",
        "backoff: { initial: 1ms, max: 4ms }",
        "targets:",
        ...names.map((name) => `  - { name: ${name}, http: "${site.url}${name}" }`),
      ].join("\n"),
    );
    const args = [file, "--verbose", "--port=0", ...(isPostgres(location) ? [] : [`--data=${location}`])];
    const env = isPostgres(location) ? { DATABASE_URL: location } : {};
    const acknowledged = new Map<number, Acknowledged>();

    for (let kill = 0; kill < kills; kill++) {
      const run = new Run(args, env);
      await run.url();
      await untilRecorded(run, 20 + Math.floor(Math.random() * 300));
      run.kill("SIGKILL");
      expect(await run.ended()).toBe("SIGKILL");
      for (const each of acknowledgedBy(run)) {
        expect(acknowledged.has(each.id), `#${each.id} was given twice`).toBe(false);
        acknowledged.set(each.id, each);
      }
    }

    const run = new Run(args, env);
    const url = await run.url();
    const recorded = new Map<number, Check>();
    for (const name of names) {
      for (let before = Number.MAX_SAFE_INTEGER; ;) {
        const query = `target=${name}&limit=1000${before === Number.MAX_SAFE_INTEGER ? "" : `&before=${before}`}`;
        const checks = (await (await fetch(`${url}/api/history?${query}`)).json()) as Check[];
        for (const check of checks) recorded.set(check.id, check);
        if (checks.length === 0) break;
        before = checks[0]!.id;
      }
    }
    run.kill("SIGTERM");
    expect(await run.ended()).toBe(0);

    const readBack = Array.from(acknowledged.keys(), (id) => {
      const check = recorded.get(id);
      return check === undefined ? undefined : { id, target: check.target, outcome: outcomeOf(check) };
    });
    expect(acknowledged.size).toBeGreaterThan(kills * 20);
    expect(readBack).toEqual([...acknowledged.values()]);
    if (!isPostgres(location)) {
      const database = new Database(location);
      expect(database.pragma("integrity_check")).toEqual([{ integrity_check: "ok" }]);
      database.close();
    }
  });
});

/** Looks at every chunk of output as it comes, so that the kill is not tied to a timer of this process. */
async function untilRecorded(run: Run, amount: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const look = (): void => {
      if (acknowledgedBy(run).length >= amount) resolve();
    };
    run.process.stdout!.on("data", look);
    void run.ended().then(() => {
      reject(new Error(`it has ended: ${run.stderr}`));
    });
    look();
  });
}
