/** A supervisor: as a plain scope, unless its children are supervised ones. */
import { Supervisor } from "@scope/supervisor";
import { describeOwner, scopeVerdicts } from "@scope/test-utils";

describeOwner({
  name: "Supervisor",
  open: (options) => new Supervisor(options),
  run: (body, options) => Supervisor.run(body, options),
  verdicts: scopeVerdicts,
});
