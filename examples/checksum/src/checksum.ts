import type { CancellationToken, Task } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

import type { BytePath } from "./byte-path.ts";
import { FileError } from "./errors.ts";
import { formatLine } from "./format-line.ts";
import type { LineWriter } from "./line-writer.ts";
import type { Progress } from "./progress.ts";
import { type WalkOptions, walk } from "./walk.ts";

export interface Job {
  readonly paths: readonly BytePath[];
  /** Says which files to leave out. */
  readonly skip?: WalkOptions["skip"];
  /** Resolves with the digest of a file. */
  readonly hash: (file: BytePath, token: CancellationToken) => Promise<string>;
  /** How many files are hashed at once. */
  readonly concurrency: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** Whether the others go on when a file cannot be read. */
  readonly keepGoing: boolean;
  readonly lines: LineWriter;
  readonly progress: Progress;
  /** Whether to find out how many files there are, while the first ones are being hashed. */
  readonly wantsTotal: boolean;
}

/** How many files may be waiting or done behind the one whose line comes next. It bounds the memory. */
const lookahead = 1024;

/**
 * Hashes all files and writes their lines in the order of the walk.
 *
 * The first failure cancels the rest: it rejects with a `TaskGroupError` of all failures until then. A job that keeps
 * going leaves its failures to `progress` instead. It rejects with `TimeoutError` after the timeout, and with the
 * cancellation when the token is cancelled. However it ends, it has closed every file by then.
 */
export function checksum(job: Job, token: CancellationToken): Promise<void> {
  return TaskGroup.run(
    (group) => {
      if (job.wantsTotal) group.spawn((token) => countFiles(job, token), { name: "count files" });
      return hashFiles(job, group.token);
    },
    { name: "checksum", token, timeout: job.timeout },
  );
}

/** A group of its own, because of its limit: the count waits for no free place among the files. */
function hashFiles(job: Job, token: CancellationToken): Promise<void> {
  return TaskGroup.run(
    async (group) => {
      // Tasks end in any order. Waiting for the oldest one first puts the lines in order.
      const tasks: Task<string | undefined>[] = [];
      const writeOldest = async (): Promise<void> => {
        const line = await tasks.shift();
        if (line !== undefined) await job.lines.write(line, group.token);
      };

      for await (const file of walk(job.paths, { token: group.token, skip: job.skip })) {
        group.token.throwIfCancelled();
        tasks.push(group.spawn((token) => hashFile(job, file, token)));
        if (tasks.length > lookahead + job.concurrency) await writeOldest();
      }
      while (tasks.length > 0) await writeOldest();
      await job.lines.flush(group.token);
    },
    { name: "hash files", token, concurrency: job.concurrency },
  );
}

/** Resolves with the file's line, or without one if it failed and the job keeps going. */
async function hashFile(
  job: Job,
  file: BytePath | FileError,
  token: CancellationToken,
): Promise<string | undefined> {
  try {
    if (file instanceof FileError) throw file;
    const digest = await job.hash(file, token);
    job.progress.addFile();
    return formatLine(digest, file);
  } catch (error) {
    if (!job.keepGoing || !(error instanceof FileError)) throw error;
    job.progress.addFailure(error);
    return undefined;
  }
}

async function countFiles(job: Job, token: CancellationToken): Promise<void> {
  let total = 0;
  for await (const file of walk(job.paths, { token, skip: job.skip })) {
    if (!(file instanceof FileError)) total += 1;
  }
  job.progress.total = total;
}
