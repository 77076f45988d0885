import prettyBytes from "pretty-bytes";

import type { FileError } from "./errors.ts";

/** What has been done so far. */
export class Progress {
  readonly #start = performance.now();
  #files = 0;
  #bytes = 0;
  readonly #failures: FileError[] = [];
  /** How many files there are, as soon as that is known. */
  total: number | undefined;

  addFile(): void {
    this.#files += 1;
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  addFailure(failure: FileError): void {
    this.#failures.push(failure);
  }

  /** In the order in which they happened. */
  get failures(): readonly FileError[] {
    return this.#failures;
  }

  /** From 0 to 1; 0 as long as the total is unknown. */
  get fraction(): number {
    const done = this.#files + this.#failures.length;
    return this.total === undefined ? 0 : Math.min(done / Math.max(this.total, 1), 1);
  }

  /** `12 files, 3.4 MB`, or with the total `12/90 files, 3.4 MB`. */
  get soFar(): string {
    const files =
      this.total === undefined ? countOf(this.#files, "file") : `${this.#files}/${this.total} files`;
    return `${files}, ${prettyBytes(this.#bytes)}`;
  }

  /** `12 files, 3400000 bytes (3.4 MB), 0.05 seconds`. */
  get summary(): string {
    const seconds = ((performance.now() - this.#start) / 1000).toFixed(2);
    const bytes = countOf(this.#bytes, "byte");
    return `${countOf(this.#files, "file")}, ${bytes} (${prettyBytes(this.#bytes)}), ${seconds} seconds`;
  }
}

export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Shows a `Progress` until it is disposed. */
export interface ProgressDisplay extends Disposable {
  /** Whether the total is worth finding out. */
  readonly wantsTotal: boolean;
  /** Calls `write`, with nothing in the way of lines that it writes to the same terminal. */
  readonly aside: (write: () => void) => void;
}

const lineInterval = 5_000;

/** A line every few seconds, for logs. */
export function showLines(progress: Progress, stream: NodeJS.WritableStream): ProgressDisplay {
  const timer = setInterval(() => stream.write(`checksum: ${progress.soFar} so far\n`), lineInterval);
  return {
    wantsTotal: false,
    aside: (write) => write(),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
