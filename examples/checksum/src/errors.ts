import { getSystemErrorMap } from "node:util";

import { type BytePath, pathToText } from "./byte-path.ts";

/** The command line makes no sense, or names an output that cannot be opened. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A file or directory could not be read. The message begins with its path. */
export class FileError extends Error {
  override readonly name = "FileError";

  constructor(path: BytePath, cause: unknown) {
    super(`${pathToText(path)}: ${describe(cause)}`, { cause });
  }
}

/** The checksums could not be written. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(name: string, cause: unknown) {
    super(`${name}: ${describe(cause)}`, { cause });
  }

  /** The reader of a pipe went away: the usual end of `checksum … | head`, nothing to complain about. */
  get isBrokenPipe(): boolean {
    return errorCode(this.cause) === "EPIPE";
  }
}

/** `"ENOENT"` and the like. */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null | undefined)?.code;
}

/** What went wrong in the system's own words, without the code, system call and path that Node puts around them. */
export function describe(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message;
}
