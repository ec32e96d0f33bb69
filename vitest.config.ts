import { defineConfig } from "vitest/config"
import { patience } from "./test/support/Patience.ts"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // They take a machine for themselves: `npm run test:attack`.
    exclude: ["test/attack/**"],
    globalSetup: ["./test/support/Postgres.ts"],
    setupFiles: ["./test/support/EachFile.ts"],
    pool: "forks",
    poolOptions: { forks: { minForks: 1, maxForks: 2, isolate: false } },
    testTimeout: patience(30_000),
    hookTimeout: patience(120_000)
  }
})
