import type { CancellationToken } from "@scope/core";

declare global {
  /** Cancelled by the button of the playground. */
  const token: CancellationToken;
}
