import { readdir, stat } from "node:fs/promises";

import type { CancellationToken } from "@scope/core";

import { type BytePath, pathFromBytes, pathToBytes } from "./byte-path.ts";
import { FileError } from "./errors.ts";

export interface WalkOptions {
  /** Cancelled, the walk rejects instead of going on. */
  readonly token: CancellationToken;
  /** Says which files to leave out. */
  readonly skip?: ((path: BytePath) => boolean | Promise<boolean>) | undefined;
}

/**
 * Every regular file at or below the given paths, each path in the order of `find PATH -type f | LC_ALL=C sort`.
 *
 * A given path may be a symbolic link; those found below are not followed, so that loops do no harm. FIFOs, sockets
 * and devices are passed over. What cannot be read comes as a `FileError`, and the walk goes on behind it.
 *
 * It holds the names in the directories on the way to the current file, never those of the whole tree.
 */
export async function* walk(
  paths: readonly BytePath[],
  { token, skip }: WalkOptions,
): AsyncGenerator<BytePath | FileError, void, undefined> {
  for (const path of paths) {
    token.throwIfCancelled();
    // The next one is at the end. Directories end with a slash.
    const pending = [await lookUp(path)];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (next instanceof FileError) {
        yield next;
      } else if (next.endsWith("/")) {
        token.throwIfCancelled();
        const entries = await list(next);
        if (entries instanceof FileError) yield entries;
        else for (const entry of entries) pending.push(entry);
      } else if (skip === undefined || !(await skip(next))) {
        yield next;
      }
    }
  }
}

/** A path from the command line: as it is when it is a file, with a slash at the end when it is a directory. */
async function lookUp(path: BytePath): Promise<BytePath | FileError> {
  try {
    const found = await stat(pathToBytes(path));
    if (found.isDirectory()) return path.endsWith("/") ? path : join(path, "/");
    if (found.isFile()) return path;
    return new FileError(path, new Error("not a regular file or directory"));
  } catch (error) {
    return new FileError(path, error);
  }
}

/** The files and directories in a directory, the last one first. */
async function list(directory: BytePath): Promise<BytePath[] | FileError> {
  try {
    const names: string[] = [];
    for (const entry of await readdir(pathToBytes(directory), { withFileTypes: true, encoding: "buffer" })) {
      // With the slash a directory sorts to where its files belong: `a.txt` comes before `a/b`.
      if (entry.isDirectory()) names.push(`${pathFromBytes(entry.name)}/`);
      else if (entry.isFile()) names.push(pathFromBytes(entry.name));
    }
    return names
      .sort()
      .reverse()
      .map((name) => join(directory, name));
  } catch (error) {
    return new FileError(directory === "/" ? directory : (directory.slice(0, -1) as BytePath), error);
  }
}

function join(directory: BytePath, name: string): BytePath {
  return (directory + name) as BytePath;
}
