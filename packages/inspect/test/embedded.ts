/** What a page of one's own does with the view: it shows a program that runs in the same page, without a server. */
import { TaskScope, sleep } from "@scope/core";
import { inspect } from "../src/index.ts";
import { mountInspector, mountTimeline, type View } from "../web/view.ts";

const inspected = inspect();
const program = new TaskScope({ name: "playground", onError: "ignore" });
const [first, second] = document.querySelectorAll("div");

Object.assign(window, {
  views: [
    mountInspector(first!, inspected),
    mountTimeline(second!, inspected, { span: 5_000 }),
  ] satisfies View[],
  bad: [
    () => mountTimeline(first!, inspected, { span: 1 }),
    () => mountTimeline(first!, inspected, { span: NaN }),
    () => mountTimeline("#first" as unknown as Element, inspected),
  ].map((mount) => {
    try {
      mount();
      return "mounted";
    } catch (error) {
      return String(error);
    }
  }),
  spawn: (name: string) => program.spawn((token) => sleep(Infinity, token), { name }),
  fail: (name: string) => program.spawn(() => Promise.reject(new Error(`${name} has failed`)), { name }),
});
