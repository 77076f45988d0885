import { CancellationSource, CancelledError, sleep } from "@scope/core";

// #region source
using source = new CancellationSource({ timeout: 5_000 });
const { token } = source;

const forget = token.onCancel((error) => console.log("callback:", error.message));
setTimeout(() => source.cancel("user pressed stop"), 10);

try {
  await sleep(60_000, token); // or token.race(promise), token.throwIfCancelled(), fetch(url, { signal: token.signal })
} catch (error) {
  if (!(error instanceof CancelledError)) throw error;
  console.log(error.name, error.code, error.source, error.reason);
}
forget(); // unregisters; here it has nothing left to do
// #endregion

// Output:
// callback: user pressed stop
// AbortError ABORT_ERR explicit user pressed stop
