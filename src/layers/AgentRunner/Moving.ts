/**
 * Calls that may outlive their turn. A call that takes longer than it may becomes a task: in one turn of the event loop
 * its result says so and ends, its row goes into the same write, and what it says from then on is the task's.
 */
import { Duration, Effect, Fiber, Option } from "effect"
import { type BackgroundTask, maxTaskOutput, placeholder, taskIdOf } from "../../domain/BackgroundTask.ts"
import { stateUpdated } from "../../domain/CustomEvents.ts"
import type { EventDraft } from "../../domain/Event.ts"
import type { FileHash } from "../../domain/File.ts"
import type { BlockId } from "../../domain/Ids.ts"
import type { ToolCallBlock } from "../../domain/Message.ts"
import type { Settings } from "../../domain/Settings.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import type { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import type { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import type { ToolPart } from "../../services/Toolbox.ts"
import * as FilesOut from "./FilesOut.ts"
import { bounded, type Budget, conclude, type Emit, givenUp, type State, within } from "./ToolCall.ts"

export type Limits = Pick<Settings, "background_seconds" | "task_seconds" | "tool_seconds">

export interface Options {
  readonly limits: Limits
  readonly tasks: typeof BackgroundTasks.Service
  readonly filesOut: Effect.Effect.Success<typeof FilesOut.make>
  readonly newId: typeof NewId.Service
}

/** A tool's files by their block. Pieces of one come apart, so they are let out when the tool has ended. */
export type Made = Map<string, { readonly media_type: string; data: string }>

export const collect = (made: Made, { block, data, media_type }: Extract<ToolPart, { readonly type: "data" }>) => {
  const file = made.get(block)
  if (file === undefined) made.set(block, FilesOut.typed({ media_type, data }))
  else file.data += data
}

/** A call, and where what it says goes. */
export interface Called {
  readonly call: ToolCallBlock
  readonly run: (emit: Emit) => Effect.Effect<State>
  readonly emit: Emit
  readonly made: Made
  readonly budget: Budget
  /** What the tool says about its time. */
  readonly background: number | false | undefined
}

export const make = ({ filesOut, limits, newId, tasks }: Options) => {
  const { tool_seconds } = limits
  const taskOf = ({ agent, run, session }: ReplyRequest, call: ToolCallBlock, millis: number): BackgroundTask => {
    const at = timestampOf(millis)
    return {
      id: taskIdOf(newId.record(millis)),
      user_id: session.user_id,
      created_at: at,
      updated_at: at,
      session_id: session.id,
      agent_id: agent.id,
      run_id: run.id,
      tool_call_id: call.id,
      tool_name: call.name,
      process: tasks.self,
      status: "running",
      output: [],
      ended_at: null,
      told_at: null
    }
  }

  /** What the call says from now on, and how it comes to its end. */
  const rest = ({ session }: ReplyRequest, made: Made, fiber: Fiber.RuntimeFiber<State>, seconds: number) => {
    let text = ""
    let drafts: Array<EventDraft> = []
    const output = bounded((part) => {
      if (part.type === "text") text += part.delta
      else if (part.type === "state") drafts.push(stateUpdated(part.state))
      else if (part.type === "event") drafts.push(part.event)
      else collect(made, part)
    }, { left: maxTaskOutput })

    const end = Fiber.await(fiber).pipe(
      Effect.timeoutOption(Duration.seconds(seconds)),
      Effect.flatMap(Option.match({
        onNone: () => {
          output.close(givenUp(limits.task_seconds))
          return Effect.as(Fiber.interruptFork(fiber), "failed" as const)
        },
        onSome: (exit) => Effect.map(conclude(output, exit), (state) => state === "success" ? "completed" : "failed")
      }))
    )

    const brought = Effect.gen(function*() {
      const blocks: Array<BackgroundTask["output"][number]> = []
      if (text !== "") blocks.push({ type: "text", id: newId.short() as BlockId, text })
      const kept: Array<FileHash> = []
      for (const file of made.values()) {
        const { hash, ...source } = FilesOut.isSmall(file)
          ? { type: "base64" as const, ...file, hash: undefined }
          : { hash: undefined, ...yield* filesOut.store(session, file) }
        if (hash !== undefined) kept.push(hash)
        blocks.push({ type: "data", id: newId.short() as BlockId, source })
      }
      yield* filesOut.keep(session.id, kept)
      return blocks
    })

    return {
      take: output.take,
      call: {
        end,
        stop: Effect.suspend(() => {
          output.stop()
          return Fiber.interruptFork(fiber)
        }),
        said: () => text,
        events: () => {
          const taken = drafts
          drafts = []
          return taken
        },
        output: brought
      }
    }
  }

  /** How many more questions to people a part of the output leaves open. */
  const askingBy = (part: ToolPart): number => {
    if (part.type !== "event" || part.event.type !== "CUSTOM") return 0
    return part.event.name === "elicitation_requested" ? 1 : part.event.name === "elicitation_ended" ? -1 : 0
  }

  const moving = (request: ReplyRequest, out: Out, called: Called, after: number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const { budget, call, emit, made, run } = called
        const clock = yield* Effect.clock
        const output = bounded(emit, budget)
        let asking = 0
        let take = (part: ToolPart) => {
          asking += askingBy(part)
          output.take(part)
        }
        const fiber = yield* tasks.begin(Effect.suspend(() => run((part) => take(part))))
        /** A call that does not stop when it is interrupted is abandoned. */
        const wait = (seconds: number) =>
          restore(Effect.timeoutOption(Fiber.await(fiber), Duration.seconds(seconds))).pipe(
            Effect.onInterrupt(() => {
              output.stop()
              return Fiber.interruptFork(fiber)
            })
          )
        let inTime = yield* wait(after)
        // A call that waits for a person is not slow: the answer belongs to this turn, as long as a turn may take.
        for (let more = 0; Option.isNone(inTime) && asking > 0 && after + more < tool_seconds; more++) {
          inTime = yield* wait(1)
        }
        if (Option.isSome(inTime)) return yield* conclude(output, inTime.value)
        // From here on nothing may come in between: who sees the call's end finds its task.
        if (tasks.hasRoom({ id: request.session.id, user_id: request.session.user_id })) {
          const task = taskOf(request, call, clock.unsafeCurrentTimeMillis())
          const of = { task_id: task.id, tool_call_id: call.id }
          output.close(placeholder(task))
          const { call: moved, take: taken } = rest(request, made, fiber, Math.max(0, limits.task_seconds - after))
          take = taken
          out.emit({
            type: "TOOL_RESULT_END",
            reply_id: out.reply().message.id,
            tool_call_id: call.id,
            state: "success"
          })
          out.emit({ type: "CUSTOM", name: "task_started", value: { ...of, tool_name: call.name } })
          out.keepTask(task)
          tasks.adopt({ task, durable: out.durable, ...moved })
          return undefined
        }
        const late = yield* wait(limits.tool_seconds - after)
        if (Option.isSome(late)) return yield* conclude(output, late.value)
        output.close(givenUp(limits.tool_seconds))
        return yield* Effect.as(Fiber.interruptFork(fiber), "error" as const)
      })
    )

  /** Nobody would hear of what comes later: the answer of the run is all that its client, or the agent above it, gets. */
  const isAwaited = ({ output_schema, source }: ReplyRequest["run"]) =>
    source === "channel" || source === "agent" || output_schema !== undefined

  /** Answers how the call ended; undefined when it goes on as a task, and its result has ended already. */
  return (request: ReplyRequest, out: Out, called: Called): Effect.Effect<State | undefined> => {
    const { background_seconds, tool_seconds } = limits
    const after = called.background ?? background_seconds
    return background_seconds === 0 || after === false || after >= tool_seconds || isAwaited(request.run)
      ? within(tool_seconds, called.run, called.emit, called.budget)
      : moving(request, out, called, after)
  }
}
