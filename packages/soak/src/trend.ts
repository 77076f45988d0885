/** Whether something grows: a line through samples, and how sure its slope is. */

export interface Sample {
  /** Seconds. */
  readonly at: number;
  readonly value: number;
}

export interface Trend {
  /** Per second: the median of the slopes between every two samples (Theil and Sen), which outliers do not move. */
  readonly slope: number;
  /** The slope is between these with a probability of 99 % (Kendall). */
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/** Standard deviations of the normal distribution that 99 % lie within. */
const Z = 2.576;

export function trendOf(samples: readonly Sample[]): Trend {
  const count = samples.length;
  const slopes = samples
    .flatMap((one, index) =>
      samples.slice(index + 1).map((other) => (other.value - one.value) / (other.at - one.at)),
    )
    .sort((a, b) => a - b);
  if (slopes.length === 0) return { slope: 0, low: -Infinity, high: Infinity, samples: count };
  const spread = (Z * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18)) / 2;
  const middle = (slopes.length - 1) / 2;
  const at = (index: number): number => slopes[Math.round(index)] ?? (index < 0 ? -Infinity : Infinity);
  return {
    slope: (slopes[Math.floor(middle)]! + slopes[Math.ceil(middle)]!) / 2,
    low: at(middle - spread),
    high: at(middle + spread),
    samples: count,
  };
}
