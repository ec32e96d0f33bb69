/** What tasks in the background have brought, told to their agent before its next step. */
import { Effect } from "effect"
import { hintOf } from "../../domain/BackgroundTask.ts"
import { shownWithin } from "../../domain/Context.ts"
import type { BlockId } from "../../domain/Ids.ts"
import { textOf } from "../../domain/MessageText.ts"
import type * as Reply from "../../domain/Reply.ts"
import { bytesOf, bytesPerToken } from "../../domain/Tokens.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import type { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import type { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"

export interface Options {
  readonly tasks: typeof BackgroundTasks.Service
  readonly newId: typeof NewId.Service
}

/** The `source` of these hints. */
const source = "background_task"

/** A run that began for results which the reply before it has told meanwhile: nothing was said to it. */
export const isVoid = ({ run }: ReplyRequest, out: Out): boolean =>
  run.source === "task" && run.input.length === 0 && out.reply().message.content.length === 0

export const nothingToTell: Reply.Ending = { finished_reason: "completed", error: null }

export const make = ({ newId, tasks }: Options) => {
  const newBlock = () => newId.short() as BlockId
  return {
    /** Where nothing rang, storage is not asked: a run without tasks costs what it would if there were none. */
    mayBeThere: ({ run }: ReplyRequest, out: Out, isFirst: boolean): boolean =>
      (isFirst && (run.source === "task" || run.attempt > 1)) || tasks.mayTell(run.session_id) || out.wasWoken(),
    /** Whether a run that has taken over waking inputs, so that no other run begins for them, has more to tell. */
    hasMore: ({ run }: ReplyRequest, out: Out): boolean => out.wasWoken() && tasks.mayTell(run.session_id),
    /** Each is marked as told in the write that has its hint: in that of another process it collides, here it is not repeated. */
    tell: Effect.fnUntraced(function*({ agent, session: { id, user_id } }: ReplyRequest, out: Out) {
      const untold = yield* tasks.untold({ id, user_id })
      if (untold.length === 0) return
      const at = yield* now
      const limit = agent.data.context_config.tool_result_limit * bytesPerToken
      for (const task of untold) {
        const hint = hintOf(task, newBlock)
        const text = textOf(hint)
        out.emit({
          type: "HINT_BLOCK",
          reply_id: out.reply().message.id,
          block_id: newBlock(),
          source,
          hint,
          ...(bytesOf(text) > limit && { shown: shownWithin(text, limit) })
        })
        out.keepTask({ ...task, updated_at: at, told_at: at })
      }
      // Storage must know it before it is asked again.
      yield* out.durable
      yield* tasks.told({ id, user_id })
    })
  }
}
