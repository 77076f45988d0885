import { CancellationSource, type CancellationToken, TaskGroupError, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

async function search(kind: string, token: CancellationToken): Promise<string> {
  if (kind === "video") throw new Error("no video");
  await sleep(kind === "web" ? 5 : 60_000, token).finally(() => console.log(`${kind}: ended`));
  return kind;
}

// #region errgroup
// g, ctx := errgroup.WithContext(ctx); g.SetLimit(8); g.Go(...); err := g.Wait()
try {
  await TaskGroup.map(["web", "image", "video"], search, { concurrency: 8 });
} catch (error) {
  if (!(error instanceof TaskGroupError)) throw error;
  console.log(error.errors.map(String)); // all of them, where Wait has the first
}
// #endregion

// #region context
// ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Millisecond, ...); defer cancel()
using source = new CancellationSource({ timeout: 10 });
const { token } = source;
try {
  await sleep(60_000, token); // select { case <-time.After(time.Minute): case <-ctx.Done(): }
} catch {
  console.log(token.cancelRequested, token.error?.source, token.error?.message); // context.Cause(ctx)
}
// #endregion

// Output:
// image: ended
// web: ended
// [ 'Error: no video' ]
// true timeout Timed out after 10 ms
