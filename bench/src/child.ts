/** The program that runs in a process of its own: one peer, one work, one size. Needs `--expose-gc`. */
import { setMaxListeners } from "node:events";
import { type Time, time } from "../../packages/test-utils/src/bench.ts";
import { heapUsed } from "../../packages/test-utils/src/heap.ts";
import type { Answer, Job, Round } from "./job.ts";
import type { Peer } from "./peer.ts";
import { memoryOf } from "./memory.ts";
import { MILLION } from "./plan.ts";
import { BATCH, type Timed, type WorkKind, check, kindOf, pieces } from "./works.ts";

/** What (j) of the reference costs is measured with. */
const REFERENCE_COUNT = 100;

/** Enough to see that the work is done. */
const CHECKED = 100;

/** Tasks in one measurement after a full collection: those that come first, in code that may have to start cold. */
const COLD = 20_000;

/** Does the same as often as a measurement needs. */
interface Paced {
  repeated(times: number): Timed;
  /** Nanoseconds of one time, roughly; and with what is prepared for it. */
  once: number;
  whole: number;
}

async function runOnce(timed: Timed): Promise<{ span: number; whole: number }> {
  const first = performance.now();
  const prepared = await timed.prepare?.();
  const begin = performance.now();
  await timed.run(prepared);
  const end = performance.now();
  return { span: (end - begin) * 1e6, whole: (end - first) * 1e6 };
}

/** Milliseconds: other programs' time warms nothing up. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

/** Warms up, and finds out how long one time takes. */
async function pace(repeated: (times: number) => Timed, warmUp: number): Promise<Paced> {
  const end = processorTime() + warmUp;
  let times = 1;
  let { span, whole } = await runOnce(repeated(1));
  while (processorTime() < end) {
    if (span < 2e6 && whole < 2e7) times *= 4;
    ({ span, whole } = await runOnce(repeated(times)));
  }
  return { repeated, once: span / times, whole: whole / times };
}

/** One round: each once, in turns; nanoseconds for one time. */
async function round(paced: readonly Paced[], times: readonly number[], afterGc: boolean): Promise<Time[]> {
  const works = paced.map(({ repeated }, index) => {
    const { prepare, run } = repeated(times[index]!);
    return { name: "", prepare: async () => prepare?.(), run };
  });
  const spans = await time(works, { rounds: 1, afterGc });
  return spans.map(({ cpu, wall }, index) => ({ cpu: cpu / times[index]!, wall: wall / times[index]! }));
}

async function rounds(
  paced: readonly [own: Paced, reference: Paced],
  count: number,
  times: readonly number[],
  each: readonly [own: number, reference: number],
  afterGc: boolean,
): Promise<Round[]> {
  const found: Round[] = [];
  for (let n = 0; n < count; n++) {
    const turned = n % 2 === 1;
    const order = turned ? [1, 0] : [0, 1];
    const spans = await round(
      order.map((index) => paced[index]!),
      order.map((index) => times[index]!),
      afterGc,
    );
    const [own, reference] = turned ? spans.reverse() : spans;
    found.push({ own: per(own!, each[0]), reference: per(reference!, each[1]) });
  }
  return found;
}

function per({ cpu, wall }: Time, pieces: number): Time {
  return { cpu: cpu / pieces, wall: wall / pieces };
}

async function answer(kind: WorkKind, peer: Peer, reference: Peer, job: Job): Promise<Answer> {
  const { letter, effort } = job;
  await check(kind, peer, Math.min(job.count, CHECKED));
  // A signal has nothing to compare a child with: the unit is a function under `Promise.allSettled`.
  const [referenceKind, referenceCount] = letter === "j" ? [kindOf("a"), REFERENCE_COUNT] : [kind, job.count];

  let count = job.count;
  let limited = referenceCount;
  if (letter === "h") {
    const { once } = await pace(kind.timed(peer, BATCH), effort.warmUp);
    while (count > BATCH && (once / 1e6) * (count / BATCH) > effort.budget) count /= 10;
    limited = count;
  }
  const bytes = letter === "h" ? { grown: await grown(peer, count) } : undefined;

  const own = await pace(kind.timed(peer, count), effort.warmUp);
  const other = await pace(referenceKind.timed(reference, limited), effort.warmUp);
  const paced = [own, other] as const;
  const each = [pieces(letter, count), referenceKind === kind ? pieces(letter, limited) : limited] as const;

  const warm = paced.map(({ once }, index) =>
    // What is prepared has to fit into memory.
    Math.min(
      Math.max(1, Math.round((effort.target * 1e6) / once)),
      kind.prepared ? Math.max(1, Math.round(COLD / each[index]!)) : 1e6,
    ),
  );
  // Every measurement comes after a run that is not timed.
  const span = 2 * paced.reduce((sum, { whole }, index) => sum + (whole * warm[index]!) / 1e6, 0);
  // One alone would tell little of a million: collections of garbage take up to half of the time.
  const budget = effort.budget * (count < MILLION ? 1 : 25);
  const affordable = (wanted: number, share: number): number =>
    Math.min(wanted, Math.floor((budget * share) / span));
  const cold = each.map((tasks, index) => Math.min(Math.max(1, Math.round(COLD / tasks)), warm[index]!));
  return {
    count,
    rounds: await rounds(paced, Math.max(1, affordable(effort.rounds, 0.6)), warm, each, false),
    roundsAfterGc: await rounds(paced, affordable(effort.roundsAfterGc, 0.4), cold, each, true),
    ...(bytes && { bytes }),
  };
}

/** By how many bytes the heap grows while so many tasks pass through one owner. */
async function grown(peer: Peer, count: number): Promise<number> {
  const owner = peer.open!();
  const pass = async (tasks: number): Promise<void> => {
    for (let done = 0; done < tasks; done += BATCH) await owner.pass(async () => {}, BATCH);
  };
  await pass(Math.min(count, 100 * BATCH));
  const before = await heapUsed();
  await pass(count);
  const after = await heapUsed();
  await owner.close();
  return after - before;
}

export async function main(job: Job, peers: readonly Peer[], reference: Peer): Promise<Answer> {
  setMaxListeners(0);
  const peer = peers.find(({ name }) => name === job.peer);
  if (peer === undefined) throw new Error(`There is no peer "${job.peer}"`);
  if (job.letter === "i") {
    return { count: job.count, rounds: [], roundsAfterGc: [], bytes: await memoryOf(peer, job.count) };
  }
  return answer(kindOf(job.letter), peer, reference, job);
}

const given = process.argv[2];
if (given !== undefined) {
  const job = JSON.parse(given) as Job;
  const load = async (file: string): Promise<Peer[]> =>
    ((await import(new URL(`peers/${file}.mjs`, import.meta.url).href)) as { peers: Peer[] }).peers;
  const [reference] = await load("platform");
  const found = await main(job, await load(job.file), reference!);
  process.stdout.write(`\n${JSON.stringify(found)}\n`, () => {
    // Some peers keep timers or ports for later.
    process.exit(0);
  });
}
