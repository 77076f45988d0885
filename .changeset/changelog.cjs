// What a changeset becomes in a CHANGELOG.md: its own words, and a link to the commit for those who want to know more.
// The form that comes with changesets leads with a bare hash.
const commits = "https://github.com/scope-js/scope/commit";

exports.getReleaseLine = ({ summary, commit }) => {
  const [first, ...rest] = summary.trim().split("\n");
  const link = commit === undefined ? "" : ` ([${commit.slice(0, 7)}](${commits}/${commit}))`;
  return [`- ${first}${link}`, ...rest.map((line) => `  ${line}`.trimEnd())].join("\n");
};

exports.getDependencyReleaseLine = (_, dependencies) => {
  const moved = dependencies.map(({ name, newVersion }) => `\`${name}\` ${newVersion}`);
  return moved.length === 0 ? "" : `- Needs ${moved.join(", ")}.`;
};
