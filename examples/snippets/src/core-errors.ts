import { TaskGroupError, TimeoutError } from "@scope/core";

// #region split
const inner = new TaskGroupError([new TimeoutError(250), new Error("no route")], "errors in mirrors");
const error = new TaskGroupError([new Error("disk full"), inner], "errors in sync");
console.log(error.message);

const [timeouts, others] = error.split(TimeoutError); // or a predicate; `undefined` for none
console.log(timeouts?.leaves().map(String));
console.log(others?.leaves().map(String));
// #endregion

// Output:
// errors in sync (2 sub-errors)
// disk full
// errors in mirrors (2 sub-errors)
// [ 'TimeoutError: Timed out after 250 ms' ]
// [ 'Error: disk full', 'Error: no route' ]
