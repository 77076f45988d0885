/** A table of what was measured: a line per question, a column for each way to do it. */
export interface Comparison {
  readonly ways: readonly string[];
  readonly rows: readonly (readonly [question: string, ...answers: Answer[]])[];
}

type Answer = string | number;

/** Puts the same questions to all that was measured. */
export function ask<M>(
  measured: readonly M[],
  questions: readonly (readonly [question: string, answer: (measured: M) => Answer])[],
): Comparison["rows"] {
  return questions.map(([question, answer]) => [question, ...measured.map(answer)]);
}

/** Two spaces at least are between two columns, and none in a row inside of one. */
export function drawComparison({ ways, rows }: Comparison): string[] {
  const lines = [["measured", ...ways], ...rows.map((row) => row.map(String))];
  const widths = ["measured", ...ways].map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines.map((line) =>
    `  ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}

export function yesOrNo(answer: boolean): string {
  return answer ? "yes" : "no";
}

/** "3 of 5" */
export function of(part: number, whole: number): string {
  return `${part} of ${whole}`;
}
