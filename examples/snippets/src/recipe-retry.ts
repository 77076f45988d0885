import { CancellationSource, type CancellationToken, type TaskFunction, failAfter, sleep } from "@scope/core";

// #region retry
async function retry<T>(
  fn: TaskFunction<T>,
  token: CancellationToken,
  { attempts = 4, timeout = 1_000, delay = 100 } = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await failAfter(timeout, (scope) => fn(scope.token), { token });
    } catch (error) {
      if (token.cancelRequested || attempt === attempts) throw error; // nobody wants it any more, or enough
      console.log(`attempt ${attempt}:`, String(error));
      await sleep(delay * 2 ** (attempt - 1), token);
    }
  }
}
// #endregion

const source = new CancellationSource();
const { token } = source;
let calls = 0;

// #region use
async function download(own: CancellationToken): Promise<string> {
  calls++;
  if (calls === 1) await sleep(60_000, own); // hangs
  if (calls === 2) throw new Error("connection reset");
  return "the file";
}

console.log(await retry(download, token, { timeout: 20, delay: 5 }));

setTimeout(() => source.cancel("the user has left"), 30);
await retry(() => sleep(60_000, token), token).catch((error: unknown) => console.log(String(error)));
// #endregion

// Output:
// attempt 1: TimeoutError: TaskScope "taskscope-1" timed out after 20 ms
// attempt 2: Error: connection reset
// the file
// AbortError: the user has left
