/** What users' own objects do wrong must stay with them. */
import { ServiceGroup } from "@scope/persistent";
import { describe, expect, it } from "vitest";

describe(ServiceGroup, () => {
  it.each([
    ["startTimeout", [], { startTimeout: -1 }],
    ["iterable", 5, {}],
  ])("follows no token when it refuses its %s (L11)", (named, services, options) => {
    const { signal } = new AbortController();
    let listeners = 0;
    signal.addEventListener = () => void listeners++;
    const open = (): unknown => new ServiceGroup(services as never, { token: signal, ...options });
    expect(open).toThrow(named);
    expect(listeners).toBe(0);
  });
});
