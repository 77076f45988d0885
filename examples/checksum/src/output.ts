import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type Stats, type WriteStream, constants, createWriteStream } from "node:fs";
import { access, chmod, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { finished } from "node:stream/promises";

import { type BytePath, baseName, pathFromText, pathToBytes } from "./byte-path.ts";
import { OutputError, UsageError, describe, errorCode } from "./errors.ts";
import { LineWriter } from "./line-writer.ts";

/** Where the lines go. Disposed without a `commit`, it takes back whatever can be taken back. */
export interface Output extends AsyncDisposable {
  readonly lines: LineWriter;
  /** Whether the file is one that this output is writing or about to replace, and no part of what is hashed. */
  readonly owns: (file: BytePath) => boolean | Promise<boolean>;
  /** Makes the lines final. All of them must have been flushed. */
  readonly commit: () => Promise<void>;
}

/** On a terminal each write happens inside a call of `around`. */
export function standardOutput(around: (write: () => void) => void): Output {
  const lines = new LineWriter(process.stdout, "standard output", process.stdout.isTTY ? around : undefined);
  return {
    lines,
    owns: () => false,
    commit: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => {
      lines.discard();
      return Promise.resolve();
    },
  };
}

/** Throws `UsageError` if the file cannot be written. */
export async function fileOutput(target: string): Promise<Output> {
  try {
    const previous = await statIfThere(target);
    if (previous === undefined) return await atomicOutput(target, target);
    await access(target, constants.W_OK);
    if (previous.isFile()) return await atomicOutput(target, await realpath(target), previous);
    if (previous.isCharacterDevice()) return await deviceOutput(target);
    throw new Error("not a regular file");
  } catch (error) {
    throw new UsageError(`--output: ${target}: ${describe(error)}`, { cause: error });
  }
}

/**
 * A file that appears, or is replaced, all at once.
 *
 * The lines go to a temporary file beside it. Once all of them are on the disk that file takes over the name, and the
 * mode of the previous file. Until then the previous file stays as it was.
 */
async function atomicOutput(target: string, destination: string, previous?: Stats): Promise<Output> {
  const temporary = path.join(path.dirname(destination), `.checksum-${randomBytes(8).toString("hex")}.tmp`);
  const stream = createWriteStream(temporary, { flags: "wx", flush: true, mode: previous?.mode ?? 0o666 });
  await once(stream, "open");
  const lines = new LineWriter(stream, target);
  let committed = false;
  return {
    lines,
    async owns(file) {
      const name = baseName(file);
      // Nobody else has a file of this name: it is random.
      if (name === path.basename(temporary)) return true;
      if (previous === undefined || name !== pathFromText(path.basename(destination))) return false;
      const found = await statIfThere(pathToBytes(file));
      return found?.dev === previous.dev && found.ino === previous.ino;
    },
    async commit() {
      try {
        await finished(stream.end());
        if (previous !== undefined) await chmod(temporary, previous.mode & 0o7777);
        await rename(temporary, destination);
        committed = true;
      } catch (error) {
        throw new OutputError(target, error);
      }
    },
    async [Symbol.asyncDispose]() {
      if (committed) return;
      lines.discard();
      await close(stream);
      await rm(temporary, { force: true });
    },
  };
}

/** `/dev/null` and the like: nothing there can be taken back, and nothing there may be replaced. */
async function deviceOutput(target: string): Promise<Output> {
  const stream = createWriteStream(target);
  await once(stream, "open");
  const lines = new LineWriter(stream, target);
  return {
    lines,
    owns: () => false,
    commit: () => Promise.resolve(),
    async [Symbol.asyncDispose]() {
      lines.discard();
      await close(stream);
    },
  };
}

async function statIfThere(file: string | Buffer): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Closes it without writing what it still holds. */
async function close(stream: WriteStream): Promise<void> {
  if (stream.closed) return;
  await new Promise<void>((resolve) => stream.once("close", resolve).destroy());
}
