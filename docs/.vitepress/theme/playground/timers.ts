type Callback = (...values: unknown[]) => void;

interface Host {
  setTimeout: (callback: Callback, ms?: number, ...values: unknown[]) => number;
  clearTimeout: (handle?: number) => void;
}

/** Counts the timers that a program has set and that have not gone off: while there are any, it has not ended. */
export function countTimers(host: Host): () => number {
  const { setTimeout, clearTimeout } = host;
  const pending = new Set<number>();
  host.setTimeout = (callback, ms, ...values) => {
    const handle = setTimeout.call(
      globalThis,
      () => {
        pending.delete(handle);
        callback(...values);
      },
      ms,
    );
    pending.add(handle);
    return handle;
  };
  host.clearTimeout = (handle) => {
    if (handle !== undefined) pending.delete(handle);
    clearTimeout.call(globalThis, handle);
  };
  return () => pending.size;
}
