import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { PassThrough } from "node:stream";

import { CancellationSource, CancellationToken, type TaskGroupError, TimeoutError } from "@scope/core";
import { Deferred } from "@scope/test-utils";
import { eventually, temporaryDirectory } from "@scope/test-utils/node";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { type BytePath, baseName, pathFromText } from "../src/byte-path.ts";
import { type Job, checksum } from "../src/checksum.ts";
import { FileError } from "../src/errors.ts";
import { FileHasher } from "../src/hash-file.ts";
import { LineWriter } from "../src/line-writer.ts";
import { Progress } from "../src/progress.ts";
import { openFiles } from "./program.ts";

describe(checksum, () => {
  let directory: string;
  let stream: PassThrough;
  let job: Job;

  /** Hashes that end when the test says so, by the name of the file. */
  const hashes = new Map<string, Deferred<string>>();
  const hash = vi.fn<Job["hash"]>();

  beforeEach(async () => {
    directory = await temporaryDirectory();
    stream = new PassThrough({ highWaterMark: 1 << 30 });
    hashes.clear();
    hash.mockReset().mockImplementation((file) => {
      const deferred = new Deferred<string>();
      hashes.set(baseName(file), deferred);
      return deferred.promise;
    });
    job = {
      paths: [pathFromText(directory)],
      hash,
      concurrency: 4,
      timeout: Infinity,
      keepGoing: false,
      lines: new LineWriter(stream, "the test"),
      progress: new Progress(),
      wantsTotal: false,
    };
  });

  const makeFiles = (...names: string[]) =>
    Promise.all(names.map((name) => writeFile(path.join(directory, name), name)));

  const pathOf = (name: string) => pathFromText(path.join(directory, name));

  const running = (...names: string[]) => eventually(() => expect([...hashes.keys()]).toEqual(names));

  const fail = (name: string): FileError => {
    const error = new FileError(pathFromText(name), new Error("out of order"));
    hashes.get(name)!.reject(error);
    return error;
  };

  const written = () => String(stream.read() ?? "");

  it("hashes as many files at once as it may, and writes their lines in order", async () => {
    await makeFiles("a", "b", "c", "d", "e");
    const done = checksum(job, CancellationToken.none);
    await running("a", "b", "c", "d");

    hashes.get("d")!.resolve("4");
    await running("a", "b", "c", "d", "e");
    for (const [index, name] of ["e", "c", "b", "a"].entries()) {
      hashes.get(name)!.resolve(String(index));
    }
    await done;

    const lines = ["3  a", "2  b", "1  c", "4  d", "0  e"].map(
      (line) => `${line.replace("  ", `  ${directory}/`)}\n`,
    );
    expect(written()).toBe(lines.join(""));
    expect(job.progress.soFar).toBe("5 files, 0 B");
  });

  it("cancels the rest at the first failure and rejects with every failure until the end", async () => {
    await makeFiles("a", "b", "c", "d", "e");
    const done = checksum(job, CancellationToken.none);
    await running("a", "b", "c", "d");

    const first = fail("c");
    const second = fail("a");
    for (const name of ["b", "d"]) hashes.get(name)!.resolve("0");

    const error = await done.catch((thrown: unknown) => thrown);
    expect((error as TaskGroupError).leaves()).toEqual([first, second]);
    const [, b, , d] = hash.mock.calls.map(([, token]) => token);
    expect([b!.error, d!.error]).toMatchObject([{ source: "sibling" }, { source: "sibling" }]);
    expect(hash).toHaveBeenCalledTimes(4);
  });

  it("waits for files in work before it rejects", async () => {
    await makeFiles("a", "b");
    let settled = false;
    const done = checksum(job, CancellationToken.none).finally(() => (settled = true));
    await running("a", "b");

    const failure = fail("a");
    await eventually(() => expect(hash.mock.calls[1]![1].cancelRequested).toBe(true));
    expect(settled).toBe(false);
    hashes.get("b")!.resolve("0");

    await expect(done).rejects.toMatchObject({ errors: [{ errors: [failure] }] });
  });

  it("leaves failures to the progress if it keeps going", async () => {
    await makeFiles("a", "b", "c");
    const done = checksum({ ...job, keepGoing: true }, CancellationToken.none);
    await running("a", "b", "c");

    const failures = [fail("c"), fail("a")];
    hashes.get("b")!.resolve("2");
    await done;

    expect(job.progress.failures).toEqual(failures);
    expect(written()).toBe(`2  ${directory}/b\n`);
  });

  it("does not take a bug for a file that cannot be read, even if it keeps going", async () => {
    await makeFiles("a");
    const done = checksum({ ...job, keepGoing: true }, CancellationToken.none);
    await running("a");

    const bug = new TypeError("undefined is not a function");
    hashes.get("a")!.reject(bug);

    await expect(done).rejects.toMatchObject({ errors: [{ errors: [bug] }] });
  });

  it("never runs far ahead of the oldest file in work", async () => {
    await makeFiles("oldest", "other");
    const oldest = new Deferred<string>();
    hash.mockImplementation((file) => (baseName(file) === "oldest" ? oldest.promise : Promise.resolve("0")));
    const walked = vi.fn<(file: BytePath) => boolean>(() => false);
    const paths = [pathOf("oldest"), ...Array.from({ length: 2999 }, () => pathOf("other"))];
    const done = checksum({ ...job, paths, skip: walked }, CancellationToken.none);

    // As much as it does by itself: then nothing is left to wake it up.
    await eventually(() => expect(hash).toHaveBeenCalledTimes(1024 + 4 + 1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(walked).toHaveBeenCalledTimes(1024 + 4 + 1);

    oldest.resolve("0");
    await done;
    expect(hash).toHaveBeenCalledTimes(3000);
    expect(written().split("\n")).toHaveLength(3001);
  });

  it("waits for the reader of the lines", async () => {
    await makeFiles("file");
    const paths = Array.from({ length: 3000 }, () => pathOf("file"));
    hash.mockResolvedValue("0".repeat(64));
    const slow = new PassThrough({ highWaterMark: 1 });
    const done = checksum({ ...job, paths, lines: new LineWriter(slow, "slow") }, CancellationToken.none);

    await eventually(() => expect(slow.writableNeedDrain).toBe(true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(hash.mock.calls.length).toBeLessThan(2500);

    slow.resume();
    await done;
    expect(hash).toHaveBeenCalledTimes(3000);
  });

  it.each([false, true])(
    "closes every file before it rejects with a cancellation (counting: %s)",
    async (counting) => {
      await makeFiles("a", "b", "c");
      for (const name of ["a", "b", "c"]) await truncate(path.join(directory, name), 2 ** 42);
      const hasher = new FileHasher("sha256", () => undefined);
      const source = new CancellationSource();
      const done = checksum(
        { ...job, wantsTotal: counting, hash: (file, token) => hasher.hash(file, token) },
        source.token,
      );
      await eventually(() => expect(openFiles(directory)).toHaveLength(3));

      source.cancel("enough");

      await expect(done).rejects.toMatchObject({ name: "AbortError", reason: "enough" });
      expect(openFiles(directory)).toEqual([]);
    },
  );

  it("closes every file before it rejects with a timeout", async () => {
    await makeFiles("a");
    await truncate(path.join(directory, "a"), 2 ** 42);
    const hasher = new FileHasher("sha256", () => undefined);

    const done = checksum(
      { ...job, timeout: 20, hash: (file, token) => hasher.hash(file, token) },
      CancellationToken.none,
    );

    await expect(done).rejects.toThrow(TimeoutError);
    expect(openFiles(directory)).toEqual([]);
  });

  it("finds out the total meanwhile, if it is wanted", async () => {
    await makeFiles("a", "b", "c");
    const done = checksum({ ...job, wantsTotal: true }, CancellationToken.none);
    await running("a", "b", "c");

    await eventually(() => expect(job.progress.soFar).toBe("0/3 files, 0 B"));

    for (const deferred of hashes.values()) deferred.resolve("0");
    await done;
    expect(job.progress.soFar).toBe("3/3 files, 0 B");
  });
});
