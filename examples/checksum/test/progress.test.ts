import { PassThrough } from "node:stream";
import type { WriteStream } from "node:tty";

import { describe, expect, it, vi } from "vitest";

import { pathFromText } from "../src/byte-path.ts";
import { FileError } from "../src/errors.ts";
import { showBar } from "../src/progress-bar.ts";
import { Progress, showLines } from "../src/progress.ts";

/** What a terminal or file would have got. */
function recorder(): PassThrough & { seen: () => string } {
  const stream = new PassThrough();
  return Object.assign(stream, { seen: () => String(stream.read() ?? "") });
}

describe(Progress, () => {
  it("sums up files, bytes and seconds", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const progress = new Progress();
    expect(progress.summary).toBe("0 files, 0 bytes (0 B), 0.00 seconds");
    progress.addFile();
    progress.addBytes(1);
    vi.advanceTimersByTime(1234);
    expect(progress.summary).toBe("1 file, 1 byte (1 B), 1.23 seconds");
    progress.addFile();
    progress.addBytes(123_456_789);
    expect(progress.summary).toBe("2 files, 123456790 bytes (123 MB), 1.23 seconds");
  });

  it("counts failures as done", () => {
    const progress = new Progress();
    expect(progress.fraction).toBe(0);
    progress.total = 0;
    expect(progress.fraction).toBe(0);
    progress.total = 4;
    progress.addFile();
    progress.addFailure(new FileError(pathFromText("x"), new Error("no")));
    expect(progress.fraction).toBe(0.5);
  });
});

describe(showLines, () => {
  it("prints a line every five seconds, and none after its end", () => {
    vi.useFakeTimers();
    const progress = new Progress();
    const stream = recorder();
    const display = showLines(progress, stream);
    vi.advanceTimersByTime(4_999);
    expect(stream.seen()).toBe("");

    progress.addFile();
    progress.addBytes(1_000);
    vi.advanceTimersByTime(1);
    expect(stream.seen()).toBe("checksum: 1 file, 1 kB so far\n");
    progress.addFile();
    progress.addBytes(1_000_000);
    vi.advanceTimersByTime(5_000);
    expect(stream.seen()).toBe("checksum: 2 files, 1 MB so far\n");

    display[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe(showBar, () => {
  it("shows the fraction as soon as the total is known", () => {
    vi.useFakeTimers();
    const progress = new Progress();
    const terminal = Object.assign(recorder(), { isTTY: true, columns: 60 });
    const display = showBar(progress, terminal as unknown as WriteStream);
    expect(terminal.seen()).toContain(`${"░".repeat(30)} 0% | 0 files, 0 B`);

    progress.addFile();
    progress.addBytes(2_000);
    vi.advanceTimersByTime(100);
    expect(terminal.seen()).toContain("0% | 1 file, 2 kB");
    progress.total = 3;
    vi.advanceTimersByTime(100);
    expect(terminal.seen()).toContain(`${"█".repeat(10)}${"░".repeat(20)} 33% | 1/3 files, 2 kB`);

    display[Symbol.dispose]();
    expect(terminal.seen().endsWith("\x1b[2K")).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("steps aside for lines on the same terminal and comes back below them", () => {
    const terminal = Object.assign(recorder(), { isTTY: true, columns: 60 });
    const display = showBar(new Progress(), terminal as unknown as WriteStream);
    terminal.seen();

    display.aside(() => terminal.write("a line\n"));

    // eslint-disable-next-line no-control-regex -- these are what it is about
    expect(terminal.seen()).toMatch(/^\x1b\[1G\x1b\[2Ka line\n\x1b7\x1b\[1G░+ 0%/);
    display[Symbol.dispose]();
  });
});
