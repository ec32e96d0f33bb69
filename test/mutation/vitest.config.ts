/**
 * The tests that the mutation tester runs for each mutant: those that reach
 * the engine in this process, on quick layers, without a server and without
 * PostgreSQL.
 */
import { readFileSync } from "node:fs"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const usesTestClock = ({ moduleId }: TestSpecification) => readFileSync(moduleId, "utf8").includes("TestClock")

/** All files of a mutant share one worker, and those that turn the clock by hand do not work there after the others. */
class ClockFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    return [...files.filter(usesTestClock), ...files.filter((file) => !usesTestClock(file))]
  }
}

export default defineConfig({
  test: {
    include: [
      "test/domain/{Reply,Transcript,Permission}*.test.ts",
      "test/layers/{Rooms,RunOwner,AgentRunner,SessionHub,Meter,StructuredOutput,TakeOver,ToolCall,Toolbox}*.test.ts",
      "test/http/Sse.test.ts",
      "test/mutation/Contracts.ts"
    ],
    exclude: [
      // It needs a PostgreSQL; its contract is in test/mutation/Contracts.ts on the quickest layer.
      "test/layers/RunOwner.test.ts",
      // It counts what the garbage collector leaves: the tester's own marks keep some of it.
      "test/layers/RoomsMemory.test.ts"
    ],
    sequence: { sequencer: ClockFirst },
    testTimeout: 12_000,
    hookTimeout: 60_000,
    poolOptions: { threads: { isolate: false } }
  }
})
