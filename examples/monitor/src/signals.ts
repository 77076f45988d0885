import { constants } from "node:os";

import { CancellationSource, type CancellationToken } from "@scope/core";

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Until disposal, the first signal cancels the token, with its name as the reason. Who sends a second one does not want to
 * wait: it ends the process as if nobody had caught it.
 */
export function catchSignals(): Disposable & { readonly token: CancellationToken } {
  const source = new CancellationSource();
  const cancel = (signal: NodeJS.Signals): void => {
    if (source.token.cancelRequested) process.exit(128 + constants.signals[signal]);
    source.cancel(signal);
  };
  for (const signal of signals) process.on(signal, cancel);
  return {
    token: source.token,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, cancel);
    },
  };
}

/** An orderly end: what a service manager asks for with SIGTERM has succeeded; Ctrl-C must also end the script around it. */
export function exitCodeAfter(signal: unknown): number {
  return signal === "SIGINT" ? 128 + constants.signals.SIGINT : 0;
}
