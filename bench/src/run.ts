/** Runs the children one after another: in every round each peer has its turn with every work. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { importPeers, peerFiles } from "./bundle.ts";
import type { Answer, Job } from "./job.ts";
import type { Letter, Peer } from "./peer.ts";
import { MILLION, type Plan } from "./plan.ts";
import { type Cell, summarise } from "./results.ts";
import type { Runtime } from "./runtimes.ts";
import { kinds, offers } from "./works.ts";

export interface Wanted {
  /** Works and peers; all, if nothing is named. */
  letters: readonly string[];
  peers: readonly string[];
}

interface Slot {
  job: Job;
  runtime: Runtime;
  answers: Answer[];
  failure?: string;
}

export interface Catalogue {
  peers: Peer[];
  fileOf: Map<Peer, string>;
}

export async function readCatalogue(bundles: string): Promise<Catalogue> {
  const fileOf = new Map<Peer, string>();
  for (const file of peerFiles) {
    for (const peer of await importPeers(bundles, file)) fileOf.set(peer, file);
  }
  const order = ["ours", "floor", "platform", "library"];
  const peers = [...fileOf.keys()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  return { peers, fileOf };
}

function jobs({ peers, fileOf }: Catalogue, plan: Plan, wanted: Wanted): Job[] {
  const found: Job[] = [];
  const letters: Letter[] = [...kinds.map(({ letter }) => letter), "i"];
  for (const letter of letters.sort()) {
    if (wanted.letters.length > 0 && !wanted.letters.includes(letter)) continue;
    const kind = kinds.find((one) => one.letter === letter);
    for (const count of plan.counts[letter]) {
      for (const peer of peers) {
        const named = wanted.peers.some((part) => peer.name.toLowerCase().includes(part.toLowerCase()));
        if (wanted.peers.length > 0 && !named) continue;
        if (kind === undefined ? peer.keeper === undefined : !offers(peer, kind)) continue;
        if (letter === "j" && count > (peer.mostSiblings ?? Infinity)) continue;
        const measured = peer.name === "TaskGroup" || peer.kind === "floor";
        if (letter === "a" && plan.alone.includes(count) && !measured) continue;
        found.push({ file: fileOf.get(peer)!, peer: peer.name, letter, count, effort: plan.effort });
      }
    }
  }
  return found;
}

export function runJob(bundles: string, { executable }: Runtime, job: Job, patience: number): Answer {
  const { stdout, stderr, status, signal, error } = spawnSync(
    executable,
    ["--expose-gc", path.join(bundles, "child.mjs"), JSON.stringify(job)],
    { encoding: "utf8", timeout: patience, killSignal: "SIGKILL", maxBuffer: 1 << 26 },
  );
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT") {
    throw new Error(`over ${patience / 1000} s`);
  }
  if (error !== undefined) throw error;
  if (stderr.includes("out of memory")) throw new Error("out of memory");
  if (status !== 0) {
    const told = stderr.split("\n").find((line) => line.includes("Error")) ?? stderr.slice(0, 200);
    throw new Error(`exit ${String(status ?? signal)}: ${told}`);
  }
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Answer;
}

export function runAll(
  bundles: string,
  catalogue: Catalogue,
  runtimes: readonly Runtime[],
  plan: Plan,
  wanted: Wanted,
  tell: (progress: string) => void,
): Cell[] {
  const slots = runtimes.flatMap((runtime) =>
    jobs(catalogue, plan, wanted).map((job): Slot => ({ job, runtime, answers: [] })),
  );
  for (let process = 0; process < plan.processes; process++) {
    for (const [index, slot] of slots.entries()) {
      const { job, runtime } = slot;
      if (slot.failure !== undefined) continue;
      tell(
        `${process + 1}/${plan.processes} ${index + 1}/${slots.length} ${runtime.name} (${job.letter}) ${job.count} ${job.peer}`,
      );
      // Who took too long for fewer would take longer for more.
      const smaller = slots.find(
        (other) =>
          other.failure?.startsWith("over") &&
          other.runtime === runtime &&
          other.job.peer === job.peer &&
          other.job.letter === job.letter &&
          other.job.count < job.count,
      );
      try {
        if (smaller !== undefined) throw new Error(smaller.failure);
        slot.answers.push(runJob(bundles, runtime, job, plan.patience * (job.count >= MILLION ? 5 : 1)));
      } catch (error) {
        slot.failure = (error as Error).message;
      }
    }
  }
  return slots.map(({ job, runtime, answers, failure }) => ({
    runtime: runtime.name,
    letter: job.letter,
    peer: job.peer,
    asked: job.count,
    ...(answers.length > 0 ? summarise(answers) : { count: job.count }),
    ...(answers.length === 0 && failure !== undefined && { failure }),
  }));
}
