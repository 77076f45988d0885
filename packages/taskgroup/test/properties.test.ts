/**
 * Random programs, run on a test clock, and every law checked by what the contract says of the events that were seen.
 *
 * The programs are the same every time, so that nobody's build fails by chance. Others come with `FUZZ_SEED=random`, and
 * more of them with `FUZZ_RUNS=<count>`. A failure prints its seed, its path, the shrunk program and the log of its run;
 * `FUZZ_SEED=<seed> FUZZ_PATH=<path>` does the same again.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clock } from "./properties/clock.ts";
import { checkLaws } from "./properties/laws.ts";
import { program } from "./properties/program.ts";
import type { OwnerSpec, Program, Step, TaskSpec } from "./properties/program.ts";
import { Situations } from "./properties/situations.ts";
import { World } from "./properties/world.ts";

const { FUZZ_RUNS = "6000", FUZZ_SEED = "1", FUZZ_PATH } = process.env;
const runs = Number(FUZZ_RUNS);
const seed = FUZZ_SEED === "random" ? Date.now() : Number(FUZZ_SEED);

/** Runs one program; throws what it violates, and how it came to that. */
async function execute(example: Program): Promise<World> {
  using clock = new Clock();
  const world = new World(clock);
  await world.execute(example);
  checkLaws(world);
  const { violations, log } = world;
  if (violations.length > 0) throw new Error([...violations, "", ...log].join("\n"));
  return world;
}

describe("random trees of scopes and groups", () => {
  it(`keep the laws in ${runs} runs`, { timeout: 60_000 + 20 * runs }, async () => {
    const situations = new Situations();
    await fc.assert(
      fc.asyncProperty(program, async (example) => {
        situations.note(await execute(example));
      }),
      {
        numRuns: runs,
        seed,
        ...(FUZZ_PATH !== undefined && { path: FUZZ_PATH }),
      },
    );
    if (FUZZ_PATH !== undefined || runs < 2000) return;
    const unmet = [...situations.met].filter(([, count]) => count === 0).map(([name]) => name);
    expect(unmet, "situations that no run has met").toEqual([]);
  });
});

describe("programs that random search has found", () => {
  const pass = { kind: "pass" } as const;
  const task = (...steps: Step[]): Step => {
    const spec: TaskSpec = { shape: "async", failure: "error", steps, reaction: pass };
    return { do: "spawn", task: spec };
  };
  const owner = (type: OwnerSpec["type"], ...steps: Step[]): OwnerSpec => ({
    type,
    form: "run",
    timeout: undefined,
    shield: false,
    concurrency: undefined,
    outer: "none",
    onError: "report",
    steps,
    reaction: pass,
  });
  const fail: Step = { do: "throw", failure: "error" };
  const failFatally: Step = { do: "throw", failure: "fatal" };
  const joined = { at: 0, what: "join", which: 0, limit: 0 } as const;

  it("tell a body's fatal error once when a task's was the first (L2)", async () => {
    const root = owner("TaskScope", task(failFatally), { do: "turns", count: 4 }, failFatally);
    const { reports } = await execute({ root, happenings: [] });
    expect(reports).toHaveLength(1);
  });

  it("tell an outranked fatal error of a group once, whoever awaits the task that threw it (L2)", async () => {
    const awaitSecond: Step = { do: "await", which: 1, how: "plain" };
    const root = owner("TaskGroup", task(failFatally), task(failFatally), task(awaitSecond));
    const { reports } = await execute({ root, happenings: [] });
    expect(reports).toHaveLength(1);
  });

  it("list an error once, though the group was joined before its body has failed with it too (L2)", async () => {
    const root = owner("TaskGroup", task({ do: "delay", ms: 2 }, fail), {
      do: "await",
      which: 0,
      how: "plain",
    });
    await execute({ root, happenings: [joined] });
  });

  it("tell an outranked failure of a group once, though its body has joined it before it fails with it too (L2)", async () => {
    const root = owner(
      "TaskGroup",
      task(failFatally),
      task({ do: "delay", ms: 1 }, fail),
      { do: "join", caught: true },
      { do: "await", which: 1, how: "plain" },
    );
    const { reports } = await execute({ root, happenings: [] });
    expect(reports).toHaveLength(1);
  });

  it("end as the contract says when a scope is joined while its body still runs", async () => {
    const root = owner("TaskScope", task({ do: "delay", ms: 1 }), { do: "delay", ms: 3 }, fail);
    await execute({ root, happenings: [joined] });
  });
});
