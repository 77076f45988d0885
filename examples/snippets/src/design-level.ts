import { CancellationSource } from "@scope/core";

// #region level
const source = new CancellationSource();
const child = source.token.child();
const grandchild = child.token.child();

source.token.onCancel(() => console.log("the root's callback sees", grandchild.token.cancelRequested));
source.cancel("shutdown");

const late = grandchild.token.child(); // born cancelled: there is nothing to miss
console.log(late.token.cancelRequested, late.token.error === source.token.error);
// #endregion

// Output:
// the root's callback sees true
// true true
