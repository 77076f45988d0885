import { type CancellationToken, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const site: Record<string, readonly string[]> = {
  "/": ["/about", "/news"],
  "/about": ["/", "/team"],
  "/news": ["/", "/news/1", "/news/2"],
};
let open = 0;
let most = 0;

async function linksOf(path: string, token: CancellationToken): Promise<readonly string[]> {
  most = Math.max(most, ++open);
  await sleep(5, token).finally(() => open--);
  return site[path] ?? [];
}

// #region crawl
async function crawl(start: string, limit: number): Promise<string[]> {
  const seen = new Set<string>();
  await TaskGroup.run(
    (group) => {
      const visit = (path: string): void => {
        if (seen.has(path) || seen.size >= limit) return;
        seen.add(path);
        group.spawn(
          async (token) => {
            for (const link of await linksOf(path, token)) visit(link); // tasks start tasks
          },
          { name: path },
        );
      };
      visit(start);
    },
    { name: "crawl", concurrency: 2, timeout: 30_000 },
  );
  return [...seen]; // no page is being fetched any more
}

console.log(await crawl("/", 5));
// #endregion
console.log("at most", most, "at once");

// Output:
// [ '/', '/about', '/news', '/team', '/news/1' ]
// at most 2 at once
