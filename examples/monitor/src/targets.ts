/** What is watched, and how: the file TARGETS, checked line by line. */
import { LineCounter, type Node, isMap, isNode, parseDocument, visit } from "yaml";
import { type ZodType, z } from "zod";

import { UsageError } from "./errors.ts";
import { parseTime } from "./time.ts";

interface Watched {
  readonly name: string;
  /** Milliseconds between the end of a check and the next one. */
  readonly every: number;
  /** Milliseconds that a check may take. */
  readonly timeout: number;
}

export type Target = Watched &
  (
    | { readonly kind: "http"; readonly url: string; readonly status: readonly number[] | undefined }
    | { readonly kind: "tcp"; readonly host: string; readonly port: number }
    // Percent: more is a failure.
    | { readonly kind: "cpu"; readonly max: number }
    | { readonly kind: "memory"; readonly max: number }
    | { readonly kind: "disk"; readonly path: string; readonly max: number }
  );

export interface Backoff {
  /** Milliseconds before the first restart; each one after it waits twice as long. */
  readonly initial: number;
  readonly max: number;
}

export interface Config {
  readonly targets: readonly Target[];
  readonly backoff: Backoff;
  /** Milliseconds that a check stays in the history. */
  readonly keep: number;
}

export const defaults = { backoff: { initial: 1_000, max: 60_000 }, keep: 30 * 86_400_000 };

/** What a target is, in one word or so. */
export function addressOf(target: Target): string {
  switch (target.kind) {
    case "http":
      return target.url;
    case "tcp":
      return `${target.host}:${target.port}`;
    case "disk":
      return `disk ${target.path}`;
    case "cpu":
    case "memory":
      return target.kind;
  }
}

export function unitOf({ kind }: Target): "ms" | "%" {
  return kind === "http" || kind === "tcp" ? "ms" : "%";
}

function got(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

/** A value made of a text or a number; `read` says `undefined` to what is none. */
function field<T>(expected: string, read: (text: string) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const result = typeof value === "string" || typeof value === "number" ? read(String(value)) : undefined;
    if (result !== undefined) return result;
    context.addIssue({ code: "custom", message: `expected ${expected}, got ${got(value)}` });
    return z.NEVER;
  });
}

const time = field("a time such as 10s or 500ms", parseTime);
const text = field("a text", (value) => (value.trim() === "" ? undefined : value));
const percent = field("a percentage such as 90%", (value) => {
  const number = /^\d+(\.\d+)?\s*%?$/.test(value) ? parseFloat(value) : NaN;
  return number > 0 && number <= 100 ? number : undefined;
});
const url = field("an address such as https://example.org/", (value) =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) ? new URL(value).href : undefined,
);
const endpoint = field("HOST:PORT", (value) => {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(value) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
});
const status = field("a status such as 200", (value) =>
  /^[1-5]\d\d$/.test(value) ? Number(value) : undefined,
);
const statuses = z
  .unknown()
  .transform((value) => (Array.isArray(value) ? (value as unknown[]) : [value]))
  .pipe(z.array(status).min(1, "expected at least one status"));

const common = { name: text.optional(), every: time.optional(), timeout: time.optional() };

/** By the key that says what is watched. */
const kinds = {
  http: z
    .strictObject({ ...common, http: url, status: statuses.optional() })
    .transform(({ http, status, ...rest }) => {
      return { ...rest, kind: "http" as const, name: rest.name ?? new URL(http).host, url: http, status };
    }),
  tcp: z.strictObject({ ...common, tcp: endpoint }).transform(({ tcp, ...rest }) => {
    return { ...rest, kind: "tcp" as const, name: rest.name ?? `${tcp.host}:${tcp.port}`, ...tcp };
  }),
  cpu: z.strictObject({ ...common, cpu: percent }).transform(({ cpu, ...rest }) => {
    return { ...rest, kind: "cpu" as const, name: rest.name ?? "CPU", max: cpu };
  }),
  memory: z.strictObject({ ...common, memory: percent }).transform(({ memory, ...rest }) => {
    return { ...rest, kind: "memory" as const, name: rest.name ?? "memory", max: memory };
  }),
  disk: z
    .strictObject({ ...common, disk: text, max: percent.optional() })
    .transform(({ disk, max = 90, ...rest }) => {
      return { ...rest, kind: "disk" as const, name: rest.name ?? `disk ${disk}`, path: disk, max };
    }),
};

type Draft = z.output<(typeof kinds)[keyof typeof kinds]>;

const target = z.unknown().transform((value, context) => {
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  const [kind, ...others] = (Object.keys(kinds) as (keyof typeof kinds)[]).filter((key) =>
    keys.includes(key),
  );
  if (kind === undefined || others.length > 0) {
    const names = Object.keys(kinds).join(", ");
    const found = kind === undefined ? "none" : [kind, ...others].join(" and ");
    context.addIssue({ code: "custom", message: `expected one of ${names}, got ${found}` });
    return z.NEVER;
  }
  // The schema of its kind, in place of this one.
  const { data, error } = (kinds[kind] as ZodType<Draft>).safeParse(value);
  if (data !== undefined) return data;
  for (const issue of error.issues) context.addIssue({ ...issue });
  return z.NEVER;
});

const mapping = {
  error: ({ code, input }: { readonly code: string; readonly input?: unknown }) =>
    code === "invalid_type" ? `expected keys and values, got ${got(input)}` : undefined,
};

const config = z.strictObject(
  {
    every: time.default(30_000),
    timeout: time.default(10_000),
    backoff: z
      .strictObject(
        {
          initial: time.default(defaults.backoff.initial),
          max: time.default(defaults.backoff.max),
        },
        mapping,
      )
      .default(defaults.backoff),
    keep: time.default(defaults.keep),
    targets: z
      .array(target, "expected a list of what to watch")
      .min(1, "expected at least one thing to watch")
      .superRefine(refuseTwins),
  },
  mapping,
);

/** Throws `UsageError`, with a message that begins with the line for each thing that is wrong. */
export function parseTargets(source: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const lineOf = (offset: number): number => lines.linePos(offset).line;
  const problems = document.errors.map(({ message, pos }) => ({ line: lineOf(pos[0]), message }));
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      problems.push({ line: lineOf(alias.range?.[0] ?? 0), message: `nothing is named &${alias.source}` });
    },
  });
  // Half a document is wrong in ways that nobody meant.
  const result = problems.length > 0 ? undefined : config.safeParse(document.toJS());
  for (const issue of result?.error?.issues ?? []) {
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [undefined];
    for (const key of unknown) {
      const path = issue.path.filter((part) => typeof part !== "symbol");
      const offset = offsetOf(document.contents, path, key);
      const message = key === undefined ? issue.message : `unknown key ${JSON.stringify(key)}`;
      const where = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
      problems.push({
        line: lineOf(offset),
        message: `${where.replace(/^\./, "")}: ${message}`.replace(/^: /, ""),
      });
    }
  }
  if (result?.data === undefined) {
    problems.sort((a, b) => a.line - b.line);
    throw new UsageError(
      problems.map(({ line, message }) => `${file}:${line}: ${message.split("\n", 1)[0]}`),
    );
  }
  const { targets, every, timeout, ...rest } = result.data;
  return {
    ...rest,
    targets: targets.map((target) => ({
      ...target,
      every: target.every ?? every,
      timeout: target.timeout ?? timeout,
    })),
  };
}

function refuseTwins(targets: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  const names = targets.map((target) => target.name);
  names.forEach((name, index) => {
    if (names.indexOf(name) === index) return;
    const message = `there is a target ${JSON.stringify(name)} already: give this one another name`;
    context.addIssue({ code: "custom", path: [index], message });
  });
}

/** Where that stands which the path leads to, or the last thing on the way that stands anywhere. */
function offsetOf(root: Node | null, path: readonly (string | number)[], key: string | undefined): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const part of path) {
    node = isNode(node) && "get" in node ? node.get(part, true) : undefined;
    if (isNode(node) && node.range) offset = node.range[0];
  }
  if (key === undefined || !isMap(node)) return offset;
  const pair = node.items.find((item) => String(item.key) === key);
  return isNode(pair?.key) && pair.key.range ? pair.key.range[0] : offset;
}
