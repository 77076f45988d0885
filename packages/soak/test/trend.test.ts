import { randomNumbers } from "@scope/test-utils/random";
import { describe, expect, it } from "vitest";
import { type Sample, trendOf } from "../src/trend.ts";

function samples(count: number, value: (at: number) => number): Sample[] {
  return Array.from({ length: count }, (_, at) => ({ at, value: value(at) }));
}

describe("trendOf", () => {
  it("gives the slope of a line, whatever the outliers", () => {
    const exact = trendOf(samples(40, (at) => 5 + 3 * at));
    expect(exact).toEqual({ slope: 3, low: 3, high: 3, samples: 40 });
    const outliers = trendOf(samples(40, (at) => (at % 10 === 3 ? 1e9 : 3 * at)));
    expect(outliers.slope).toBeCloseTo(3, 0);
  });

  it("is sure of a slope in noise, and of no slope in noise alone", () => {
    const next = randomNumbers(1);
    const rising = trendOf(samples(100, (at) => 2 * at + 50 * next()));
    expect(rising.low).toBeGreaterThan(1);
    expect(rising.high).toBeLessThan(3);
    const flat = trendOf(samples(100, () => 50 * next()));
    expect(flat.low).toBeLessThan(0);
    expect(flat.high).toBeGreaterThan(0);
  });

  it("takes one step up for no growth", () => {
    const { low } = trendOf(samples(60, (at) => (at < 5 ? 0 : 1e6)));
    expect(low).toBe(0);
  });

  it("is sure of nothing without samples enough", () => {
    for (const count of [0, 1, 2, 4]) {
      expect(trendOf(samples(count, (at) => at))).toMatchObject({ low: -Infinity, high: Infinity });
    }
  });
});
