/** Who is asked for: by name, and by what is the matter with it. */
import type { Entry, EntryState } from "./model.ts";

export type Tag = EntryState | "restarted" | "deadlocked";

export interface Filter {
  /** In lower case. */
  readonly query: string;
  /** Any of these; none: all. */
  readonly tags: ReadonlySet<Tag>;
}

export const EVERYTHING: Filter = { query: "", tags: new Set() };

export function isActive({ query, tags }: Filter): boolean {
  return query !== "" || tags.size > 0;
}

export function matches(entry: Entry, { query, tags }: Filter): boolean {
  if (query !== "" && !entry.key.includes(query) && entry.id !== query) return false;
  if (tags.size === 0) return true;
  return (
    tags.has(entry.state) ||
    (entry.restarts > 0 && tags.has("restarted")) ||
    (entry.cycle >= 0 && tags.has("deadlocked"))
  );
}

/** A row of the tree. */
export interface TreeRow {
  readonly entry: Entry;
  /** From 1. */
  readonly level: number;
  /** Among its siblings, from 1. */
  readonly position: number;
  siblings: number;
  /** Undefined: nothing hangs on it. */
  readonly expanded: boolean | undefined;
  /** It is asked for; otherwise it is there for what hangs on it. */
  readonly matches: boolean;
}

/** The rows that are to be seen. While anything is asked for, nothing that leads to it is collapsed. */
export function flatten(
  roots: ReadonlySet<Entry>,
  collapsed: ReadonlySet<string>,
  filter: Filter = EVERYTHING,
): TreeRow[] {
  const rows: TreeRow[] = [];
  const active = isActive(filter);
  const walk = (entries: ReadonlySet<Entry>, level: number): void => {
    const here: TreeRow[] = [];
    for (const entry of entries) {
      const at = rows.length;
      const found = !active || matches(entry, filter);
      const expanded = entry.children.size === 0 ? undefined : active || !collapsed.has(entry.id);
      const row = { entry, level, position: here.length + 1, siblings: 0, expanded, matches: found };
      rows.push(row);
      if (expanded === true) walk(entry.children, level + 1);
      if (!found && rows.length === at + 1) rows.pop();
      else here.push(row);
    }
    for (const row of here) row.siblings = here.length;
  };
  walk(roots, 1);
  return rows;
}
