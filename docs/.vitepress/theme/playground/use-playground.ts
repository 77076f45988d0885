/** What the playground does; its component shows it. */
import { type View, mountTimeline } from "@scope/inspect/view";
import { type Ref, type ShallowRef, nextTick, onBeforeUnmount, onMounted, ref, shallowRef } from "vue";

import { type Editor, createEditor } from "./editor.ts";
import { type Example, examples } from "./examples.ts";
import { fromFragment, toFragment } from "./permalink.ts";
import type { Line } from "./protocol.ts";
import { type Session, type SessionState, startSession } from "./session.ts";

/** The elements that are filled. */
export interface Places {
  readonly editor: Readonly<ShallowRef<HTMLElement | null>>;
  readonly output: Readonly<ShallowRef<HTMLElement | null>>;
  readonly timeline: Readonly<ShallowRef<HTMLElement | null>>;
}

export interface Playground {
  readonly examples: readonly Example[];
  /** Its `id`; empty: a program that came with the link. */
  readonly chosen: Ref<string>;
  readonly state: Ref<SessionState | "idle">;
  readonly lines: ShallowRef<readonly Line[]>;
  /** What has become of the link. */
  readonly note: Ref<string>;
  choose(): void;
  run(): void;
  cancel(): void;
  stop(): void;
  share(): Promise<void>;
}

/** A bar of five seconds: the programs last no longer. */
const SPAN = 5_000;

export function usePlayground(places: Places): Playground {
  const chosen = ref(examples[0]?.id ?? "");
  const state = ref<SessionState | "idle">("idle");
  const lines = shallowRef<readonly Line[]>([]);
  const note = ref("");

  let editor: Editor | undefined;
  let session: Session | undefined;
  let view: View | undefined;

  const codeOf = (wanted: string): string => examples.find(({ id }) => id === wanted)?.code ?? "";

  onMounted(async () => {
    const shared = await fromFragment(location.hash);
    const named = examples.find(({ id }) => location.hash === `#example=${id}`);
    chosen.value = shared === undefined ? (named?.id ?? chosen.value) : "";
    if (places.editor.value === null) return; // gone meanwhile
    editor = createEditor(places.editor.value, shared ?? codeOf(chosen.value), run);
  });

  onBeforeUnmount(() => {
    session?.stop();
    view?.dispose();
    editor?.destroy();
  });

  function run(): void {
    if (editor === undefined || places.timeline.value === null) return;
    session?.stop();
    view?.dispose();
    lines.value = [];
    note.value = "";
    state.value = "running";
    session = startSession(editor.text, (next, more) => {
      state.value = next;
      if (more.length === 0) return;
      lines.value = [...lines.value, ...more];
      void nextTick(() => {
        const { value: output } = places.output;
        output?.scrollTo({ top: output.scrollHeight });
      });
    });
    view = mountTimeline(places.timeline.value, session.source, { span: SPAN });
  }

  return {
    examples,
    chosen,
    state,
    lines,
    note,
    run,
    choose: () => {
      if (editor === undefined || chosen.value === "") return;
      editor.text = codeOf(chosen.value);
      history.replaceState(history.state, "", `#example=${chosen.value}`);
    },
    cancel: () => session?.cancel(),
    stop: () => session?.stop(),
    share: async () => {
      if (editor === undefined) return;
      history.replaceState(history.state, "", await toFragment(editor.text));
      try {
        await navigator.clipboard.writeText(location.href);
        note.value = "The link is in the clipboard.";
      } catch {
        note.value = "The link is in the address bar.";
      }
    },
  };
}
