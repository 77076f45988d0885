// The first answer wins, the others are cancelled (race)
import { sleep } from "@scope/core";
import { race } from "@scope/supervisor";

const { value, index } = await race(
  [
    (own) => sleep(3_000, own).then(() => "slow mirror"),
    (own) => sleep(300, own).then(() => "quick mirror"),
    (own) => sleep(100, own).then(() => Promise.reject<string>(new Error("no such host"))),
  ],
  { name: "mirrors", stagger: 150, continueOnError: true, token },
);
console.log(index, value);

// Output:
// 1 quick mirror
