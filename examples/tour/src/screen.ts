/** Where the tour is shown: a terminal, whose last lines are drawn anew again and again, or plain text, line after line. */
import type { Writable } from "node:stream";
import type { WriteStream } from "node:tty";
import { styleText } from "node:util";

import { createLogUpdate } from "log-update";

import type { Paint, Tone } from "./timeline.ts";

/** What is drawn while a scene runs. */
export interface Show extends Disposable {
  /** Something happened, so many milliseconds after the beginning. */
  happened(line: string, after: number): void;
}

export interface Screen {
  readonly paint: Paint;
  print(...lines: readonly string[]): void;
  /** Until it is disposed of: then the drawing stands as it is at that moment. */
  show(draw: (width: number) => readonly string[]): Show;
}

/** A stream that may be a terminal. */
export type Output = Writable & Partial<Pick<WriteStream, "isTTY" | "columns" | "hasColors">>;

const styles = {
  running: "cyan",
  waiting: "gray",
  asked: "yellow",
  succeeded: "green",
  failed: "red",
  cancelled: "yellow",
  plain: "gray",
} as const satisfies Record<Tone, Parameters<typeof styleText>[0]>;

export function openScreen(output: Output, plain: boolean): Screen {
  const terminal = output.isTTY === true && process.env["TERM"] !== "dumb" && !plain;
  return terminal ? new LiveScreen(output) : new PlainScreen(output);
}

class PlainScreen implements Screen {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  paint(_: Tone, text: string): string {
    return text;
  }

  print(...lines: readonly string[]): void {
    for (const line of lines) this.#output.write(`${line.trimEnd()}\n`);
  }

  show(draw: (width: number) => readonly string[]): Show {
    return {
      happened: (line, after) => this.print(`  ${String(Math.round(after)).padStart(5)} ms  ${line}`),
      [Symbol.dispose]: () => this.print("", ...draw(Infinity)),
    };
  }
}

/** Milliseconds between two drawings. */
const frame = 50;

class LiveScreen implements Screen {
  readonly #output: Output;
  readonly #colours: boolean;

  constructor(output: Output) {
    this.#output = output;
    // It knows NO_COLOR and FORCE_COLOR.
    this.#colours = output.hasColors?.() ?? false;
  }

  readonly paint = (tone: Tone, text: string): string =>
    this.#colours ? styleText(styles[tone], text, { validateStream: false }) : text;

  print(...lines: readonly string[]): void {
    for (const line of lines) this.#output.write(`${line.trimEnd()}\n`);
  }

  show(draw: (width: number) => readonly string[]): Show {
    // The cursor is not hidden: whatever ends the program then leaves a terminal that can be used.
    const update = createLogUpdate(this.#output as WriteStream & Writable, { showCursor: true });
    const redraw = (): void => update(draw(this.#output.columns ?? 80).join("\n"));
    const timer = setInterval(redraw, frame);
    return {
      happened: redraw,
      [Symbol.dispose]: () => {
        clearInterval(timer);
        redraw();
        update.done();
      },
    };
  }
}
