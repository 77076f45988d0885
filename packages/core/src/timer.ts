/** The platform's timers hold 2 ** 31 - 1 ms, and fire at once for more; so a longer wait is several of these. */
const LONGEST = 1e9;

/**
 * Calls back after `ms` milliseconds, however many; `Infinity` makes no timer at all. Returns what clears it.
 * `setTimeout` is looked up at every use, so that a test clock works.
 */
export function startTimer(ms: number, callback: () => void): () => void {
  if (ms === Infinity) return noop;
  let handle: ReturnType<typeof setTimeout>;
  const arm = (left: number): void => {
    handle = left > LONGEST ? setTimeout(arm, LONGEST, left - LONGEST) : setTimeout(callback, left);
  };
  arm(ms);
  return () => {
    clearTimeout(handle);
  };
}

export function noop(): void {
  // Nothing to undo.
}
