/** A run that only makes a summary of the context, because somebody has asked for it. Its reply says what came of it. */
import { Effect } from "effect"
import type { BlockId } from "../../domain/Ids.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import * as Compaction from "./Compaction.ts"
import { notSummarised } from "./Endings.ts"

export const make = (compaction: Effect.Effect.Success<typeof Compaction.make>, newBlock: () => BlockId) =>
  Effect.fnUntraced(function*(request: ReplyRequest, out: Out, fallbacks: ReadonlyArray<ChatModelConfig>) {
    for (const draft of Reply.closeOpen(out.reply())) out.emit(draft)
    const given = Compaction.begin(request)
    // A crash may have come between the summary and the end.
    const isDone = given.compaction?.value.run_id === request.run.id
    const made = isDone || (yield* compaction.requested(request, out, given, fallbacks))
    if (made === false) return notSummarised
    if (out.reply().message.content.length === 0) {
      const reply_id = out.reply().id
      const block_id = newBlock()
      const delta = Compaction.sentenceOf(made === undefined ? undefined : given.compaction)
      out.emit({ type: "TEXT_BLOCK_START", reply_id, block_id })
      out.emit({ type: "TEXT_BLOCK_DELTA", reply_id, block_id, delta })
      out.emit({ type: "TEXT_BLOCK_END", reply_id, block_id })
    }
    return { finished_reason: "completed" as const, error: null }
  })
