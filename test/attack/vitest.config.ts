/** Attacks take a machine for themselves: one file after the other, and nothing beside it. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/attack/**/*.test.ts"],
    globalSetup: ["./test/support/Postgres.ts"],
    pool: "forks",
    poolOptions: { forks: { singleFork: true } },
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000
  }
})
