import { describe, expect, it } from "vitest";

import { siteLink, slugify } from "../.vitepress/links.ts";

describe("siteLink", () => {
  it.each([
    ["start.md", "guide/core.md#tokens", "/guide/core.md#tokens"],
    ["guide/taskgroup.md", "../recipes/retry.md", "/recipes/retry.md"],
    ["guide/taskgroup.md", "../../packages/core/README.md#not-for", "/packages/core#not-for"],
    ["packages/taskgroup.md", "../core/README.md", "/packages/core"],
    ["packages/taskgroup.md", "../../docs/design.md", "/design.md"],
    ["start.md", "#tokens", "#tokens"],
    ["start.md", "https://example.org/a", "https://example.org/a"],
  ])("on %s leads from %s to %s", (page, href, target) => {
    expect(siteLink(href, page)).toBe(target);
  });

  it("leads to GitHub from what is no page", () => {
    const repository = "https://github.com/scope-js/scope";
    expect(siteLink("../packages/core/src/task.ts", "design.md")).toBe(
      `${repository}/blob/main/packages/core/src/task.ts`,
    );
    expect(siteLink("CHANGELOG.md", "packages/core.md")).toBe(
      `${repository}/blob/main/packages/core/CHANGELOG.md`,
    );
    expect(siteLink("../examples/snippets/src", "README.md")).toBe(
      `${repository}/tree/main/examples/snippets/src`,
    );
  });

  it("refuses a link that leads nowhere", () => {
    expect(() => siteLink("../packages/core/src/gone.ts", "design.md")).toThrow(
      "docs/design.md: ../packages/core/src/gone.ts leads nowhere",
    );
  });
});

describe("slugify", () => {
  it("makes the anchors that GitHub makes", () => {
    expect(slugify("gather, race, asCompleted")).toBe("gather-race-ascompleted");
    expect(slugify("proxystore.utils.tasks")).toBe("proxystoreutilstasks");
    expect(slugify("Why not `AbortSignal` all the way")).toBe("why-not-abortsignal-all-the-way");
  });
});
