import { test, vi } from "vitest";

test("leaves a timer on its clock", () => {
  vi.useFakeTimers();
  setTimeout(() => {}, 1);
});
