// A loop that never ends: only Stop ends it
import { TaskScope } from "@scope/core";

await TaskScope.run(
  (scope) => {
    scope.spawn(
      () => {
        console.log("computing");
        for (;;); // it never looks at its token, so Cancel is of no use
      },
      { name: "deaf" },
    );
  },
  { name: "computation", token },
);

// Output:
// computing
