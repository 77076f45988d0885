import eslint from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const deepImports = {
  group: ["@scope/*/*", "!@scope/inspect/opentelemetry", "!@scope/inspect/view"],
  message: "Import packages by their name alone: what a sibling needs is public.",
};
/** Of tests: the helpers for Node are apart, since the others run in browsers too, and so is what needs no test runner. */
const deepImportsOfTests = {
  ...deepImports,
  group: [
    ...deepImports.group,
    "!@scope/test-utils/clock",
    "!@scope/test-utils/node",
    "!@scope/test-utils/random",
  ],
};
const otherPackages = {
  regex: "^\\.\\./(\\.\\./)*(packages/|(core|taskgroup|supervisor|persistent|guarded|inspect)(/|$))",
  message: "Import other packages by their name.",
};
const nodeModules = {
  regex: "^node:",
  message: "The packages run in browsers too.",
};
const privateAccess = {
  selector: "MemberExpression[property.name=/^_[a-z]/]",
  message: "Names that begin with `_` belong to @scope/core.",
};
const defaultExport = {
  selector: "ExportDefaultDeclaration",
  message: "Name what is exported.",
};

export default defineConfig(
  {
    ignores: ["**/dist/", "**/coverage/", "**/node_modules/", "**/.turbo/", "docs/.vitepress/{cache,.temp}/"],
  },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-exports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-floating-promises": ["error", { ignoreVoid: true, ignoreIIFE: false }],
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A class may be generic over what it is thrown or rejected with: reasons and failures are `unknown`.
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/prefer-promise-reject-errors": "off",
    },
  },
  {
    rules: {
      eqeqeq: "error",
      "no-restricted-syntax": ["error", privateAccess, defaultExport],
      "no-restricted-imports": ["error", { patterns: [deepImports, otherPackages] }],
    },
  },
  {
    files: ["packages/*/src/**/*.ts"],
    rules: {
      "no-console": "error",
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            nodeModules,
            otherPackages,
            { regex: "^@scope/(?!core$)", message: "Packages depend on @scope/core alone." },
          ],
        },
      ],
    },
  },
  {
    files: ["packages/core/src/**/*.ts"],
    rules: {
      "no-restricted-syntax": ["error", defaultExport],
      // What is linked is there, what is marked has an error: invariants that the types do not carry.
      "@typescript-eslint/no-non-null-assertion": "off",
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            nodeModules,
            otherPackages,
            { group: ["@scope/*"], message: "core depends on nothing." },
          ],
        },
      ],
    },
  },
  {
    // Columns of numbers, and graphs: what is indexed is there, which the types do not carry.
    files: ["packages/inspect/src/{birthdays,clock,cycles,scope-table,timeline}.ts"],
    rules: { "@typescript-eslint/no-non-null-assertion": "off" },
  },
  {
    // What runs on Node alone, as a program or beside one.
    files: ["packages/inspect/src/{cli,register,socket,top,web}*.ts"],
    rules: {
      "no-console": "off",
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            otherPackages,
            { regex: "^@scope/(?!core$)", message: "Packages depend on @scope/core alone." },
          ],
        },
      ],
    },
  },
  {
    // A task error that nobody took and a scope that was dropped have no other place to be told.
    files: ["packages/core/src/report.ts", "packages/core/src/abandoned.ts"],
    rules: { "no-console": "off" },
  },
  {
    // A task is a Promise, whose own signature says `any`.
    files: ["packages/core/src/task.ts"],
    rules: { "@typescript-eslint/no-explicit-any": "off" },
  },
  {
    // The helpers of the tests, the model checker, the soak and the fuzzer run on Node and print.
    files: ["packages/{test-utils,model-check,soak,fuzz}/src/**/*.ts"],
    rules: {
      "no-console": "off",
      "no-restricted-imports": ["error", { patterns: [deepImportsOfTests, otherPackages] }],
    },
  },
  {
    // Rows, lanes and points of a canvas: indexes that the loop around them keeps in bounds.
    files: ["packages/inspect/web/**/*.ts"],
    rules: { "@typescript-eslint/no-non-null-assertion": "off" },
  },
  {
    // Tests throw, misuse and never-ending functions on purpose.
    files: [
      "**/test/**/*.ts",
      "**/bench/**/*.ts",
      "packages/{test-utils,model-check,soak,fuzz}/src/**/*.ts",
      "scripts/consumer/**/*.ts",
      "scripts/runtimes/*.ts",
    ],
    rules: {
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-empty-function": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-meaningless-void-operator": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/explicit-module-boundary-types": "off",
      "no-unsafe-finally": "off",
    },
  },
  {
    // Takes the measuring helpers, which the tests' index leaves out.
    files: ["bench/**/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: [deepImports] }] },
  },
  {
    files: ["**/test/**/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: [deepImportsOfTests, otherPackages] }] },
  },
  {
    // The playground shows the inspector's time line.
    files: ["docs/.vitepress/theme/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [deepImports, otherPackages],
        },
      ],
    },
  },
  {
    // What these tools read is the default export.
    files: [
      "*.config.{js,ts}",
      "*.config.*.ts",
      "packages/*/*.config.ts",
      "scripts/test/**/*.config.ts",
      // They are no tests, and use helpers of the tests.
      "scripts/runtimes/*.ts",
      "scripts/check-bundlers.mjs",
      "docs/*.config.ts",
      "docs/.vitepress/config.ts",
      "docs/.vitepress/theme/index.ts",
      "docs/.vitepress/theme/env.d.ts",
      "packages/*/test/fixtures/*.config.ts",
    ],
    rules: { "no-restricted-syntax": "off", "no-restricted-imports": "off" },
  },
  {
    files: ["**/*.cjs"],
    languageOptions: { globals: { require: "readonly", module: "writable" } },
  },
  {
    files: ["**/*.{js,mjs,cjs}"],
    languageOptions: {
      globals: Object.fromEntries(
        [
          "console",
          "process",
          "performance",
          "setTimeout",
          "clearTimeout",
          "AbortController",
          "AbortSignal",
        ].map((name) => [name, "readonly"]),
      ),
    },
  },
);
