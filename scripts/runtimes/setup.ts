import { leaveOutWhatLacks } from "@scope/test-utils";
import { afterEach, vi } from "vitest";

leaveOutWhatLacks();

afterEach(() => {
  vi.useRealTimers();
});
