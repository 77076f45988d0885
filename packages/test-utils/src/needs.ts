import { TestRunner } from "vitest";

declare module "vitest" {
  interface TaskMeta {
    /** What the runtime lacks, and the test needs: why it was left out. */
    lacks?: string;
  }
}

let leavesOut = false;

/** From here on `needs` leaves tests out, instead of failing them. For runs on many runtimes, which count them. */
export function leaveOutWhatLacks(): void {
  leavesOut = true;
}

/**
 * The running test goes on only if the runtime offers something: fails without it, and in the run on all runtimes is
 * left out and counted. Say what the runtime has to be capable of, never its name.
 */
export function needs(what: string, offered: boolean): asserts offered {
  if (offered) return;
  const test = TestRunner.getCurrentTest();
  if (!leavesOut || test === undefined) throw new Error(`This runtime lacks ${what}`);
  test.meta.lacks = what;
  test.context.skip(`the runtime lacks ${what}`);
}
