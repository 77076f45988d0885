import { appendFileSync } from "node:fs";
import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";

import { CancellationSource, CancellationToken } from "@scope/core";
import { temporaryDirectory } from "@scope/test-utils/node";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { pathFromText } from "../src/byte-path.ts";
import { FileError } from "../src/errors.ts";
import { FileHasher } from "../src/hash-file.ts";
import { openFiles, sha256sum } from "./program.ts";

describe(FileHasher, () => {
  const onRead = vi.fn<(bytes: number) => void>();
  const hasher = new FileHasher("sha256", onRead);
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    file = path.join(directory, "file");
    await writeFile(file, "content");
    onRead.mockClear();
  });

  /** A source, and what to do before its `count`th look at the token, which comes before the `count`th read. */
  function beforeRead(count: number, action: (source: CancellationSource) => void): CancellationToken {
    const source = new CancellationSource();
    const throwIfCancelled = source.token.throwIfCancelled.bind(source.token);
    let looks = 0;
    vi.spyOn(source.token, "throwIfCancelled").mockImplementation(() => {
      if (++looks === count) action(source);
      throwIfCancelled();
    });
    return source.token;
  }

  it("reads a file that grows up to where it ends", async () => {
    const token = beforeRead(2, () => appendFileSync(file, "more"));

    const digest = await hasher.hash(pathFromText(file), token);

    expect(`${digest}  file\n`).toBe(sha256sum(directory, "file"));
    expect(onRead.mock.calls).toEqual([[7], [4]]);
  });

  it("stops before the next read when cancelled, and closes the file first", async () => {
    await truncate(file, 2 ** 42);
    let open: string[] = [];
    const token = beforeRead(3, (source) => {
      open = openFiles(directory);
      source.cancel("enough");
    });

    const error: unknown = await hasher.hash(pathFromText(file), token).catch((thrown: unknown) => thrown);

    expect(error).toBe(token.error);
    expect(error).toMatchObject({ reason: "enough" });
    expect(open).toEqual([file]);
    expect(openFiles(directory)).toEqual([]);
  });

  it("closes a file whose reading fails, and names it", async () => {
    const failure = hasher.hash(pathFromText(directory), CancellationToken.none);

    await expect(failure).rejects.toThrow(FileError);
    await expect(failure).rejects.toThrow(`${directory}: illegal operation on a directory`);
    expect(openFiles(directory)).toEqual([]);
  });

  it("hashes many files at once", async () => {
    const files = Array.from({ length: 20 }, (_, index) => path.join(directory, `file-${index}`));
    for (const name of files) await writeFile(name, name.repeat(1000));

    const digests = await Promise.all(
      files.map((name) => hasher.hash(pathFromText(name), CancellationToken.none)),
    );

    expect(digests.map((digest, index) => `${digest}  ${files[index]!}\n`).join("")).toBe(
      sha256sum(directory, ...files),
    );
  });
});
