/** A plain scope: failures of tasks are reported at once and disturb nobody; the body's own error ends it. */
import { TaskScope } from "@scope/core";
import { describeOwner, scopeVerdicts } from "@scope/test-utils";

describeOwner({
  name: "TaskScope",
  open: (options) => new TaskScope(options),
  run: (body, options) => TaskScope.run(body, options),
  verdicts: scopeVerdicts,
});
