import { once } from "node:events";
import type { Writable } from "node:stream";

import { type CancellationToken, isCancellation } from "@scope/core";

import { OutputError } from "./errors.ts";

/** Lines are gathered until they are this many characters, or this many milliseconds have passed. */
const batchSize = 64 * 1024;
const batchDelay = 50;

/** Writes lines of one character per byte to a stream: in few writes, and no faster than the stream takes them. */
export class LineWriter {
  readonly #stream: Writable;
  readonly #name: string;
  readonly #around: (write: () => void) => void;
  #lines = "";
  #timer: NodeJS.Timeout | undefined;
  #failure: OutputError | undefined;

  /** Each write happens inside a call of `around`: there a progress bar on the same terminal can step aside. */
  constructor(stream: Writable, name: string, around: (write: () => void) => void = (write) => write()) {
    this.#stream = stream;
    this.#name = name;
    this.#around = around;
    stream.on("error", (error) => (this.#failure ??= new OutputError(name, error)));
  }

  /** Takes the line at once, and resolves when the stream has room for the next one. */
  async write(line: string, token: CancellationToken): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#lines += line;
    if (this.#lines.length >= batchSize) this.#handOver();
    else this.#timer ??= setTimeout(() => this.#handOver(), batchDelay);
    // The platform's own functions take the token's AbortSignal.
    if (this.#stream.writableNeedDrain)
      await this.#reporting(once(this.#stream, "drain", { signal: token.signal }));
  }

  /** Resolves when the stream has passed on every line. */
  async flush(token: CancellationToken): Promise<void> {
    this.#handOver();
    // A promise that knows nothing of cancellation is waited for like this.
    await this.#reporting(token.race(this.#passedOn()));
  }

  /** Drops what has not been handed to the stream. */
  discard(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lines = "";
  }

  #handOver(): void {
    const lines = this.#lines;
    this.discard();
    if (lines !== "") this.#around(() => this.#stream.write(lines, "latin1"));
  }

  #passedOn(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write("", (error) => (error ? reject(error) : resolve()));
    });
  }

  async #reporting<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw isCancellation(error) ? error : (this.#failure ?? new OutputError(this.#name, error));
    }
  }
}
