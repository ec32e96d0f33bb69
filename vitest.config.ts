import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { patience } from "./test/support/Patience.ts"

/** Whether it waits for servers for most of its time. */
const isLong = ({ moduleId }: TestSpecification) => /\/test\/(chaos|docs|e2e)\//.test(moduleId)

/** The long files begin first, so that none of them is left over at the end; the others fill the time in which they wait. */
class LongFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // They take a machine for themselves: `npm run test:attack`.
    exclude: ["test/attack/**"],
    globalSetup: ["./test/support/Postgres.ts"],
    setupFiles: ["./test/support/EachFile.ts"],
    sequence: { sequencer: LongFirst },
    pool: "forks",
    // As many at least as at most: one that ends because it is idle, just when all are ended, fails the whole.
    poolOptions: { forks: { minForks: 3, maxForks: 3, isolate: false } },
    testTimeout: patience(60_000),
    hookTimeout: patience(120_000)
  }
})
