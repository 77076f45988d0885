import { sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region source
async function* pages(): AsyncGenerator<number, void, undefined> {
  for (let page = 1; page <= 4; page++) {
    console.log("read page", page); // only when somebody has time for it
    await sleep(1);
    yield page;
  }
}

const sizes = await TaskGroup.map(
  pages(),
  async (page, token) => {
    await sleep(page === 1 ? 400 : 20, token);
    console.log("stored page", page);
    return page * 100;
  },
  { concurrency: 2 },
);
console.log(sizes); // in the order of the pages, whichever was ready first
// #endregion

// Output:
// read page 1
// read page 2
// stored page 2
// read page 3
// stored page 3
// read page 4
// stored page 4
// stored page 1
// [ 100, 200, 300, 400 ]
