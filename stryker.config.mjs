/** The mutation tester's settings; `scripts/mutation.mjs` names the files to mutate. */
export default {
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
  // Stryker would rewrite tsconfig.json with an API that TypeScript 7 does not have; vitest needs no rewriting.
  tsconfigFile: "none",
  coverageAnalysis: "perTest",
  // What runs only while layers are built belongs to no test: each such mutant would cost the whole suite.
  ignoreStatic: true,
  incremental: true,
  incrementalFile: ".stryker/incremental.json",
  tempDirName: ".stryker/tmp",
  ignorePatterns: ["dist", ".stoa", ".stryker", ".ci", "bench", "examples"],
  reporters: ["progress-append-only", "json"],
  jsonReporter: { fileName: ".stryker/report.json" },
  concurrency: 2,
  // A busy machine is no hanging mutant.
  timeoutMS: 20_000,
  warnings: { slow: false },
  thresholds: { high: 90, low: 80, break: 80 }
}
