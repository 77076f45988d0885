import { clearLine, cursorTo } from "node:readline";
import type { WriteStream } from "node:tty";

import cliProgress from "cli-progress";

import type { Progress, ProgressDisplay } from "./progress.ts";

const saveCursor = "\x1b7";

/** A bar on the last line of a terminal. */
export function showBar(progress: Progress, terminal: WriteStream): ProgressDisplay {
  const bar = new cliProgress.SingleBar(
    {
      stream: terminal,
      // Called for every frame, so that nobody needs to push numbers into the bar.
      format: (options) => {
        const done = progress.fraction;
        const picture = cliProgress.Format.BarFormat(done, options);
        return `${picture} ${Math.floor(done * 100)}% | ${progress.soFar}`;
      },
      barsize: 30,
      // Cut to the width of the terminal; the default would have the terminal cut the lines of others too.
      linewrap: true,
      clearOnComplete: true,
      forceRedraw: true,
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(1, 0);
  return {
    wantsTotal: true,
    aside: (write) => {
      cursorTo(terminal, 0);
      clearLine(terminal, 0);
      write();
      // The bar ends by returning to where it began, which has moved down.
      terminal.write(saveCursor);
      bar.render();
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}
