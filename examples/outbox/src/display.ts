import { clearLine, cursorTo } from "node:readline";
import type { WriteStream } from "node:tty";

import cliProgress from "cli-progress";

import type { Relay } from "./relay.ts";

/** Shows how far the delivery of a known number of rows has come, until it is disposed of. */
export interface Display extends Disposable {
  update(done: number, tally: Relay["tally"]): void;
  /** Writes lines to the same terminal. */
  aside(write: () => void): void;
}

/** A bar on the last line of a terminal. */
export function showBar(total: number, terminal: WriteStream): Display {
  const format = "{bar} {percentage}% | {value}/{total} rows | {failed} failed attempts, {dead} dead";
  const bar = new cliProgress.SingleBar(
    { stream: terminal, format, barsize: 30, linewrap: true, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { failed: 0, dead: 0 });
  return {
    update: (done, { failed, dead }) => bar.update(done, { failed, dead }),
    aside: (write) => {
      cursorTo(terminal, 0);
      clearLine(terminal, 0);
      write();
      bar.render();
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}

/** A line for each tenth. */
export function showLines(total: number, tell: (line: string) => void): Display {
  let shown = 0;
  return {
    update: (done, { failed, dead }) => {
      const tenth = Math.floor((done / total) * 10);
      if (tenth <= shown) return;
      shown = tenth;
      tell(`${done}/${total} rows, ${failed} failed attempts, ${dead} dead`);
    },
    aside: (write) => write(),
    [Symbol.dispose]: () => undefined,
  };
}
