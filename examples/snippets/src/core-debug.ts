import { CancellationSource, setDebug } from "@scope/core";

// #region debug
function stackOfCancellation(): string | undefined {
  const source = new CancellationSource();
  source.cancel("why?");
  return source.token.error?.stack;
}

console.log(stackOfCancellation());
setDebug(true); // or start the program with SCOPE_DEBUG=1
console.log(stackOfCancellation()?.includes("stackOfCancellation"));
// #endregion

// Output:
// AbortError: why?
// true
