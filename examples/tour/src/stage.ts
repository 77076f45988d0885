import type { CancellationToken } from "@scope/core";

import { type Comparison, drawComparison } from "./comparison.ts";
import { type Happening, now, watch } from "./happenings.ts";
import type { Screen } from "./screen.ts";
import { Timeline } from "./timeline.ts";

/** One stop of the tour. When `play` has settled, nothing of it is left: no socket, no process, no timer. */
export interface Scene {
  /** Of the package that it is about. */
  readonly name: string;
  readonly title: string;
  play(stage: Stage): Promise<void>;
}

/** What a scene is played on. */
export class Stage {
  /** Cancelled when the tour is to end. */
  readonly token: CancellationToken;
  readonly #screen: Screen;

  constructor(screen: Screen, token: CancellationToken) {
    this.#screen = screen;
    this.token = token;
  }

  say(...lines: readonly string[]): void {
    this.#screen.print(...lines.map((line) => `  ${line}`));
  }

  /**
   * Shows what happens while the body runs, as a timeline; `note` adds what happens in another process. Resolves with
   * what the body resolves with.
   */
  async perform<R>(body: (note: (happening: Happening) => void) => Promise<R>): Promise<R> {
    const timeline = new Timeline();
    this.#screen.print("");
    using show = this.#screen.show((width) => timeline.draw(now(), this.#screen.paint, width));
    const note = (happening: Happening): void => {
      const line = timeline.note(happening);
      if (line !== undefined) show.happened(line, timeline.after(happening.at));
    };
    const unwatch = watch(note);
    try {
      return await body(note);
    } finally {
      unwatch();
    }
  }

  /** Says how the same is done next, without an owner: what that leaves behind is the scene's to put away. */
  announce(way: string): void {
    this.#screen.print("", `  The same with ${way} ...`);
  }

  compare(comparison: Comparison): void {
    this.#screen.print("", ...drawComparison(comparison));
  }
}
