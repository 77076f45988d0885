import type { MarkdownRenderer } from "vitepress";

/** Tables without a heading have no empty row in its place, and a column without one no heading that says nothing. */
export function tableHeads(md: MarkdownRenderer): void {
  md.core.ruler.push("table-heads", ({ tokens }) => {
    const isEmpty = (index: number): boolean => tokens[index + 1]?.content === "";
    for (let index = tokens.length - 1; index >= 0; index--) {
      const token = tokens[index];
      if (token?.type === "th_open" && isEmpty(index)) {
        token.tag = "td";
        const end = tokens[index + 2];
        if (end !== undefined) end.tag = "td";
      }
      if (token?.type !== "thead_open") continue;
      const end = tokens.findIndex(({ type }, at) => at > index && type === "thead_close");
      const heads = tokens.slice(index, end).filter(({ type }) => type === "th_open");
      if (heads.every(({ tag }) => tag === "td")) tokens.splice(index, end - index + 1);
    }
  });
}
