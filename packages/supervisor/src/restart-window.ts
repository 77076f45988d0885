/**
 * Counts restarts in a sliding window, on a clock that stands still while children are being stopped: otherwise a slow
 * shutdown would stretch an endless loop until it fits the limit (erlang/otp#1287).
 */
export interface RestartWindow {
  /** Notes a restart; returns whether the limit allows it. */
  admits(): boolean;
  pause(): void;
  resume(): void;
}

export function restartWindow(limit: number, span: number): RestartWindow {
  /** When the restarts in the window happened; at most one more than the limit. */
  let times: number[] = [];
  let stood = 0;
  let stoodSince: number | undefined;
  const clock = (): number => (stoodSince ?? performance.now()) - stood;
  return {
    admits() {
      if (limit === Infinity) return true;
      const now = clock();
      times = [...times.filter((time) => now - time <= span), now];
      return times.length <= limit;
    },
    pause() {
      stoodSince ??= performance.now();
    },
    resume() {
      const now = clock();
      stoodSince = undefined;
      stood = performance.now() - now;
    },
  };
}
