/** `pnpm soak [--seconds N] [--seed N] [--episode N]`: see the README. */
import type { CancellationToken } from "@scope/core";
import { ExitError, runMain } from "@scope/guarded";
import { report } from "./report.ts";
import { type Settings, USAGE, settingsOf } from "./settings.ts";
import { soak } from "./soak.ts";

function settings(): Settings {
  try {
    return settingsOf(process.argv.slice(2));
  } catch (error) {
    throw new ExitError(2, `${(error as Error).message}\n${USAGE}`);
  }
}

async function main(token: CancellationToken): Promise<void> {
  const { seconds, seed, episode } = settings();
  console.log(`soaking for ${seconds} s, seed ${seed}${episode === undefined ? "" : `, episode ${episode}`}`);
  const outcome = await soak({ seconds, seed, episode, token });
  console.log(report(outcome));
  if (outcome.findings.length === 0) return;
  const findings = outcome.findings.map((finding) => `  ${finding}`).join("\n");
  const again = `pnpm soak --seed ${seed} --seconds`;
  throw new ExitError(
    1,
    `\nFOUND\n${findings}\n\n  again: ${again} ${seconds}\n  an episode alone: ${again} 5 --episode N\n`,
  );
}

// What nobody has caught is a finding, and no reason to stop.
await runMain(main, { uncaught: false });
