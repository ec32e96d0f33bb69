/** Runs agents that are code of the server's own program: what they say becomes the events of the run, as a model's words do. */
import { Cause, Effect } from "effect"
import { madeTypeOf } from "../../domain/File.ts"
import type { BlockId } from "../../domain/Ids.ts"
import { charactersIn } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Settings } from "../../domain/Settings.ts"
import { agentStateIn } from "../../domain/Transcript.ts"
import { AgentRunner, type Out, type ReplyRequest } from "../../services/AgentRunner.ts"
import { AppendRefused } from "../../services/EventLog.ts"
import type { ModelPart } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { AgentFailed, type OwnAgent, OwnAgents, type Said, type Turn } from "../../services/OwnAgents.ts"
import * as Blocks from "./Blocks.ts"
import { codeFailed, codeGone, interrupted, noCompaction, stateTooLarge, tooLarge } from "./Endings.ts"
import * as FilesOut from "./FilesOut.ts"
import { inTime } from "./InTime.ts"
import { Broke, broke, hear } from "./Saying.ts"

/** Longest state of a session, in characters of JSON. */
export const maxState = 64 * 1024

/** Longest sentence of an agent that cannot answer, in characters. */
const maxTold = 4_096

/** Ends the run from inside of what takes the agent's words. */
class Ended extends Error {
  readonly ending: Reply.Ending
  constructor(ending: Reply.Ending) {
    super(ending.error?.message ?? "")
    this.ending = ending
  }
}

const completed: Reply.Ending = { finished_reason: "completed", error: null }

/** The names of an agent's own blocks are apart from those that it does not name. */
const blockOf = (block: string | undefined) => block === undefined ? "said" : `named ${block}`

const jsonOf = (value: unknown): string => JSON.stringify(value) ?? "null"

/** What a model would say in its place. An agent's own calls are like those that a provider runs itself. */
const partsOf = (said: Said): ReadonlyArray<Extract<ModelPart, { readonly type: string }>> => {
  if (typeof said === "string") return [{ type: "text", block: blockOf(undefined), delta: said }]
  switch (said.type) {
    case "text":
    case "thinking":
      return [{ type: said.type, block: blockOf(said.block), delta: String(said.delta) }]
    case "data":
      return [{ type: "data", media_type: madeTypeOf(String(said.media_type)), data: String(said.data) }]
    case "tool_call": {
      const id = String(said.id)
      return [
        { type: "tool_call_start", id, name: String(said.name), provider_executed: true },
        { type: "tool_call_delta", id, delta: jsonOf(said.input) },
        { type: "tool_call_end", id }
      ]
    }
    case "tool_result": {
      const text = typeof said.output === "string" ? said.output : jsonOf(said.output)
      return [{
        type: "tool_result",
        id: String(said.id),
        text,
        files: [],
        state: said.is_error === true ? "error" : "success"
      }]
    }
    default:
      throw new TypeError("An agent has said something that is no part of a reply.")
  }
}

const lengthOf = (part: ModelPart): number => {
  switch (part.type) {
    case "text":
    case "thinking":
    case "tool_call_delta":
      return part.delta.length
    case "tool_call_start":
      return part.id.length + part.name.length
    case "data":
      return part.data.length
    case "tool_result":
      return part.text.length
    default:
      return 0
  }
}

export const make = Effect.fnUntraced(function*({ run_seconds }: Pick<Settings, "run_seconds">) {
  const agents = yield* OwnAgents
  const newId = yield* NewId
  const filesOut = yield* FilesOut.make

  /** Takes what is said into the log, within the bounds that every reply has. */
  const mouth = (out: Out, outlet: ReturnType<typeof filesOut.outlet>) => {
    const { message } = out.reply()
    const blocks = Blocks.make({
      reply_id: message.id,
      emit: out.emit,
      newBlock: () => newId.short() as BlockId,
      isTaken: (id) => message.content.some((block) => block.type === "tool_call" && block.id === id)
    })
    let characters = message.content.reduce((sum, block) => sum + charactersIn(block), 0)
    let count = message.content.length
    let last = ""

    const takePart = (part: ModelPart): Promise<void> | undefined => {
      characters += lengthOf(part)
      const place = part.type === "text" || part.type === "thinking" ? `${part.type} ${part.block}` : ""
      if (place === "" ? part.type !== "tool_call_delta" && part.type !== "tool_call_end" : place !== last) count++
      last = place
      if (characters > Reply.maxCharacters) throw new Ended(tooLarge(`${Reply.maxCharacters} characters`))
      if (count > Reply.maxBlocks) throw new Ended(tooLarge(`${Reply.maxBlocks} blocks`))
      if (part.type === "data") return outlet.writeFiles([part], (placed) => placed.forEach(blocks.take))
      return outlet.write(() => blocks.take(part as Extract<ModelPart, { readonly type: "text" }>))
    }

    return {
      take: (said: Said): Promise<void> | undefined => {
        let waiting: Promise<void> | undefined
        for (const part of partsOf(said)) waiting = takePart(part) ?? waiting
        return waiting ?? out.behind()
      }
    }
  }

  const stateIn = ({ context }: ReplyRequest, out: Out) => agentStateIn(context, out.reply().message)

  /**
   * Keeps the state with what was said so far. Throws what ends the run where it cannot be kept. Never called behind the
   * run's end: what follows there in the log belongs to other runs.
   */
  const save = (agent: OwnAgent, out: Out, state: unknown): void => {
    const encoded = agent.written(state)
    if (encoded === undefined) return
    const json = jsonOf(encoded)
    if (json.length > maxState) throw new Ended(stateTooLarge(maxState))
    // A copy: the agent may go on changing its own.
    out.emit({
      type: "CUSTOM",
      name: "agent_state",
      value: { reply_id: out.reply().message.id, state: JSON.parse(json) }
    })
  }

  const endingOf = (error: unknown, agent: OwnAgent): Effect.Effect<Reply.Outcome> => {
    if (error instanceof Ended) return Effect.succeed(error.ending)
    if (error instanceof AgentFailed) return Effect.succeed(codeFailed(String(error.message).slice(0, maxTold)))
    return Effect.as(
      Effect.logWarning("An agent of the program failed", error).pipe(Effect.annotateLogs({ agent: agent.name })),
      codeFailed("The agent failed; the cause is in the server's log.")
    )
  }

  const turnOf = (
    { context, run }: ReplyRequest,
    out: Out,
    { keep, signal, state }: {
      readonly keep: (state: unknown) => void
      readonly signal: AbortSignal
      readonly state: unknown
    }
  ): Turn<unknown> => {
    const own = new Set(run.input.map(({ id }) => id))
    const turn: Turn<unknown> = {
      owner: run.user_id,
      session_id: run.session_id,
      run_id: run.id,
      input: run.input,
      text: run.input.map(({ content }) => textOf(content)).join("\n"),
      history: context.filter(({ id }) => !own.has(id)),
      instructions: run.instructions,
      attempt: run.attempt,
      said: out.reply().message,
      signal,
      state,
      save: () => keep(turn.state)
    }
    return turn
  }

  /** `isOver` says that the run has come to its end, although its code may not have heard it. */
  const saying = Effect.fnUntraced(function*(request: ReplyRequest, out: Out, agent: OwnAgent, isOver: () => boolean) {
    const { session } = request
    const controller = new AbortController()
    const outlet = filesOut.outlet(session)
    const mouthpiece = mouth(out, outlet)
    const take = (said: Said) => isOver() ? undefined : mouthpiece.take(said)
    const turn = yield* Effect.try({
      try: () =>
        turnOf(request, out, {
          keep: (state) => isOver() ? undefined : save(agent, out, state),
          signal: controller.signal,
          state: agent.read(stateIn(request, out))
        }),
      catch: broke
    })
    const keep = Effect.try({ try: () => save(agent, out, turn.state), catch: broke })
    yield* Effect.suspend(() => hear(agent.run(turn), take, controller)).pipe(
      Effect.zipRight(outlet.settled),
      // Nothing that still waits for its file may come out behind the end.
      Effect.onExit((exit) =>
        exit._tag === "Failure" && Cause.isInterrupted(exit.cause) ? outlet.stop : outlet.settled
      ),
      Effect.onInterrupt(() => {
        controller.abort()
        return Effect.catchAllCause(keep, (cause) => Effect.logWarning("An agent's state could not be kept", cause))
      }),
      Effect.tapErrorCause((cause) => Cause.isInterrupted(cause) ? Effect.void : Effect.ignore(keep))
    )
    yield* keep
    const made = yield* outlet.settled
    if (made.length === 0) return
    // The files are kept once the log names them.
    yield* out.durable
    yield* filesOut.keep(session.id, made)
  })

  const answer = (request: ReplyRequest, out: Out, agent: OwnAgent) =>
    Effect.suspend(() => {
      let isOver = false
      return Effect.ensuring(saying(request, out, agent, () => isOver), Effect.sync(() => isOver = true))
    })

  const run = Effect.fnUntraced(function*(request: ReplyRequest, out: Out) {
    const agent = agents.get(request.agent.data.code ?? "")
    if (agent === undefined) return codeGone(request.agent.data.name)
    if (request.run.compact === true) return noCompaction
    if (request.run.attempt > 1) {
      // What was in flight when the server stopped is over; what is said from here on stands behind it.
      for (const draft of Reply.closeOpen(out.reply())) out.emit(draft)
      for (const draft of Reply.interruptCalls(out.reply(), "The tool was not run: the server stopped before.")) {
        out.emit(draft)
      }
      if (!agent.resumes) return interrupted
    }
    return yield* answer(request, out, agent).pipe(
      Effect.as(completed),
      Effect.catchAllCause((cause) => {
        if (Cause.isInterrupted(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        const squashed = Cause.squash(cause)
        const error = squashed instanceof Broke ? squashed.cause : squashed
        // The log belongs to somebody else now: there is nothing to end here.
        return error instanceof AppendRefused ? Effect.fail(error) : endingOf(error, agent)
      })
    )
  })

  return AgentRunner.of({
    run: (request, out) => inTime(run(request, out), request.run, run_seconds)
  })
})
