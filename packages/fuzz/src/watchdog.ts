/**
 * Finds a run that never comes back: one that keeps the microtask queue busy, or a loop. From a thread of its own, since nothing
 * else runs then.
 */
import { Worker } from "node:worker_threads";

/** How long a run may take, in milliseconds; one takes less than one. */
const PATIENCE = 20_000;

const watcher = `
  const { workerData } = require("node:worker_threads");
  const { writeSync } = require("node:fs");
  const { shared, patience, names, seed } = workerData;
  const state = new Int32Array(shared);
  for (let last = -1; ; last = state[0]) {
    Atomics.wait(state, 3, 0, patience);
    if (state[3] !== 0) break;
    if (state[0] !== last) continue;
    const name = names[state[1]];
    writeSync(2, "\\nFOUND in " + name + "\\n  It never comes back, not even to the event loop\\n\\n  again: pnpm fuzz --target \\"" +
      name + "\\" --seed " + seed + " --path " + state[2] + "\\n");
    process.kill(process.pid, "SIGKILL");
  }
`;

export class Watchdog implements Disposable {
  readonly #state = new Int32Array(new SharedArrayBuffer(16));
  readonly #names: readonly string[];

  constructor(names: readonly string[], seed: number) {
    this.#names = names;
    const workerData = { shared: this.#state.buffer, patience: PATIENCE, names, seed };
    new Worker(watcher, { eval: true, workerData }).unref();
  }

  /** A run begins: the how-manieth of its target. */
  begin(name: string, run: number): void {
    this.#state[0]!++;
    this.#state[1] = this.#names.indexOf(name);
    this.#state[2] = run;
  }

  [Symbol.dispose](): void {
    this.#state[3] = 1;
    Atomics.notify(this.#state, 3);
  }
}
