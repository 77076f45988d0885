import { brand } from "@scope/core";

/**
 * A supervisor gave up: its children needed too many restarts in too short a time. An ordinary failure for the owner
 * above, which may restart the whole. `cause`: the failure that broke the limit. The counterpart of the exit reason
 * `shutdown` of an OTP supervisor that has reached its restart intensity.
 */
export class RestartLimitError extends Error {
  declare readonly name: "RestartLimitError";

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "RestartLimitError");
}
