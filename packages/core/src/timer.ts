/** The longest delay that the platform's timers hold; a longer one fires at once there. */
const LONGEST = 2 ** 31 - 1;

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
