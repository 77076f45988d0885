import { constants } from "node:os";

import { CancellationSource, type CancellationToken } from "@scope/core";

const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/** Until disposal, a signal that would end the process cancels the token instead, with its name as the reason. */
export function catchSignals(): Disposable & { readonly token: CancellationToken } {
  const source = new CancellationSource();
  const cancel = (signal: NodeJS.Signals): void => source.cancel(signal);
  for (const signal of signals) process.on(signal, cancel);
  return {
    token: source.token,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, cancel);
    },
  };
}

/** What a shell reports for a process that the signal has ended. */
export function exitCodeOf(signal: string): number {
  return 128 + constants.signals[signal as NodeJS.Signals];
}
