import { type CancellationSource, sleep } from "@scope/core";

/** Waits so many milliseconds, or until the source is cancelled; resolves with whether the time has passed. */
export function lasts(ms: number, until: CancellationSource): Promise<boolean> {
  return sleep(ms, until.token).then(
    () => true,
    () => false,
  );
}
