import { afterAll, test } from "vitest";

test("passes", () => {});

afterAll(() => {
  void Promise.reject(new Error("after all tests"));
});
