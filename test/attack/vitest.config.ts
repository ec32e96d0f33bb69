/** Attacks take a machine for themselves: one file after the other, and nothing beside it. */
import { defineConfig } from "vitest/config"
import { patience } from "../support/Patience.ts"

export default defineConfig({
  test: {
    include: ["test/attack/**/*.test.ts"],
    globalSetup: ["./test/support/Postgres.ts"],
    pool: "forks",
    poolOptions: { forks: { singleFork: true } },
    fileParallelism: false,
    testTimeout: patience(120_000),
    hookTimeout: patience(120_000)
  }
})
