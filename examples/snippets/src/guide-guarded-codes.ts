import { sleep } from "@scope/core";
import { ExitError, SafeExitError, runMain } from "@scope/guarded";

const main = { logger: { error: (text: string) => console.log(text.split("\n", 1)[0]) } };

// #region codes
const endings: Record<string, () => Promise<unknown>> = {
  "it returned": () => sleep(1),
  "a bug": () => Promise.reject(new TypeError("x is not a function")),
  "bad configuration": () => Promise.reject(new ExitError(78, "PORT is missing")),
  "nothing to do": () => Promise.reject(new SafeExitError("no files")),
};
for (const [what, end] of Object.entries(endings)) {
  await runMain(end, { ...main, exit: (code) => console.log(`${what}: ${code}`) });
}
// #endregion

// Output:
// it returned: 0
// TypeError: x is not a function
// Exception in main: TypeError: x is not a function
// a bug: 1
// PORT is missing
// bad configuration: 78
// nothing to do: 0
