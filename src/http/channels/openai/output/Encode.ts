/** The encoders: a run's events, and the parts of a model that is asked directly, as an answer of OpenAI's. */
import { createHash } from "node:crypto"
import type { AgentEvent } from "../../../../domain/Event.ts"
import type { SessionId } from "../../../../domain/Ids.ts"
import type { ModelPart, StopReason } from "../../../../services/Models.ts"
import type { Encoder } from "../../Channel.ts"
import { frameOf } from "../Errors.ts"
import type { Completion, Finish } from "./Completion.ts"

/**
 * The id of a call as its client knows it: with the session that waits for the
 * result, so that this finds its way back. Clients repeat it as it is.
 */
export const clientCallId = (session: SessionId, call: string): string => `${session}.${call}`

/** Characters of a call's id. */
const maxCallId = 128

const withSession = /^([\x21-\x2d\x2f-\x7e]{1,64})\.([\x21-\x7e]{1,128})$/

/** What such an id is made of; undefined for one that we have not made. */
export const readCallId = (
  id: string
): { readonly session_id: SessionId; readonly call: string } | undefined => {
  const [, session, call] = withSession.exec(id) ?? []
  return session === undefined || call === undefined ? undefined : { session_id: session as SessionId, call }
}

/** As it was before the client knew it. Those of others may be longer than any of ours. */
export const storedCallId = (id: string): string => {
  const call = readCallId(id)?.call ?? id
  return call.length <= maxCallId ? call : createHash("sha256").update(call).digest("hex")
}

const ofReply: Readonly<Record<string, Exclude<Finish, "tool_calls">>> = {
  max_tokens: "length",
  content_filter: "content_filter",
  refusal: "content_filter"
}

/** Why an answer ended, by what the model's last words ended with. */
export const finishOf = (reason: string | undefined) => ofReply[reason ?? ""] ?? "stop"

const ofModel: Readonly<Record<StopReason, Finish>> = {
  stop: "stop",
  tool_calls: "tool_calls",
  length: "length",
  content_filter: "content_filter",
  refusal: "content_filter",
  paused: "stop",
  other: "stop"
}

export interface RunOptions {
  readonly session_id: SessionId
  /** The answer is to be JSON: what is said on the way to it, and answers that did not fit, are not part of it. */
  readonly isStructured: boolean
}

/**
 * Tools that the agent itself uses stay unseen. Those of the client are told when
 * the run waits for them: until then the call may still turn out to be wrong.
 */
export const ofRun = (completion: Completion, { isStructured, session_id }: RunOptions): Encoder => {
  let held = ""
  let hasSaid = false
  let isApart = false
  const step = (event: AgentEvent): void => {
    completion.begin(Math.floor(Date.parse(event.created_at) / 1000))
    switch (event.type) {
      case "TEXT_BLOCK_START":
        // What the agent says after it has used a tool is a paragraph of its own.
        if (!isStructured && hasSaid && isApart) completion.text(0, "\n\n")
        isApart = false
        return
      case "TEXT_BLOCK_DELTA":
        hasSaid = true
        if (isStructured) held += event.delta
        else completion.text(0, event.delta)
        return
      case "THINKING_BLOCK_DELTA":
        return completion.reasoning(0, event.delta)
      case "TOOL_CALL_START":
      case "HINT_BLOCK":
        held = ""
        isApart = true
        return
      case "MODEL_CALL_END":
        return completion.used(event)
      case "REQUIRE_EXTERNAL_EXECUTION":
        for (const { id, input, name } of event.tool_calls) {
          completion.call(0, clientCallId(session_id, id), name, input)
        }
        return
      case "REPLY_END":
        if (isStructured) {
          completion.text(
            0,
            event.structured_output === undefined ? held : JSON.stringify(event.structured_output)
          )
        }
        return completion.finish(
          0,
          event.finished_reason === "exceed_max_iters" ? "length" : finishOf(event.stop_reason)
        )
      case "CUSTOM":
        if (event.name === "run_parked") completion.finish(0, "tool_calls")
    }
  }
  return {
    step: (event) => {
      step(event)
      return completion.take()
    },
    failed: frameOf
  }
}

/** Tells a choice of the completion what a model says. */
export const ofParts = (completion: Completion, index: number) => (part: ModelPart): void => {
  switch (part.type) {
    case "text":
      return completion.text(index, part.delta)
    case "thinking":
      return completion.reasoning(index, part.delta)
    case "tool_call_start":
      if (part.provider_executed !== true) completion.call(index, part.id, part.name)
      return
    case "tool_call_delta":
      return completion.extend(index, part.id, part.delta)
    case "finish":
      completion.used(part.usage)
      return completion.finish(index, ofModel[part.reason])
  }
}
