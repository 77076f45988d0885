import { createHash } from "node:crypto";
import fs from "node:fs";
import { promisify } from "node:util";

import { type CancellationToken, isCancellation } from "@scope/core";

import { type BytePath, pathToBytes } from "./byte-path.ts";
import { FileError } from "./errors.ts";

const bufferSize = 256 * 1024;

// A file that has become a FIFO since it was listed must not make `open` wait for a writer.
const openFlags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;

// With small files, the `FileHandle` of node:fs/promises would cost a quarter more time.
const open = promisify(fs.open);
const read = promisify(fs.read);
const close = promisify(fs.close);

/** Hashes files, any number at a time, with as many buffers as files were ever open at once. */
export class FileHasher {
  readonly #algorithm: string;
  readonly #onRead: (bytes: number) => void;
  readonly #idleBuffers: Buffer[] = [];

  /** `onRead` is told how many bytes have been read, each time that some have. */
  constructor(algorithm: string, onRead: (bytes: number) => void) {
    this.#algorithm = algorithm;
    this.#onRead = onRead;
  }

  /**
   * Resolves with the digest in hexadecimal of the file up to its end, wherever that is by then.
   *
   * Rejects with `FileError` or, before the next read, with the token's cancellation. The file is closed before the
   * promise settles.
   */
  async hash(path: BytePath, token: CancellationToken): Promise<string> {
    const buffer = this.#idleBuffers.pop() ?? Buffer.allocUnsafeSlow(bufferSize);
    try {
      const file = await open(pathToBytes(path), openFlags);
      try {
        return await this.#hashToEnd(file, buffer, token);
      } finally {
        await close(file);
      }
    } catch (error) {
      throw isCancellation(error) ? error : new FileError(path, error);
    } finally {
      this.#idleBuffers.push(buffer);
    }
  }

  async #hashToEnd(file: number, buffer: Buffer, token: CancellationToken): Promise<string> {
    const hash = createHash(this.#algorithm);
    for (;;) {
      token.throwIfCancelled();
      const { bytesRead } = await read(file, buffer, 0, bufferSize, null);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, bytesRead));
      this.#onRead(bytesRead);
    }
  }
}
