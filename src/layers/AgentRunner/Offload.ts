/**
 * Long results of tools: the log keeps them whole, a model is shown their beginning. The whole goes into a file of the
 * workspace where the agent can read files; otherwise it is found in the session's history.
 */
import { Effect, Stream } from "effect"
import { isMoved } from "../../domain/BackgroundTask.ts"
import { shownWithin } from "../../domain/Context.ts"
import type { ToolResultBlock } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import { bytesIn, bytesPerToken } from "../../domain/Tokens.ts"
import { resultFile } from "../../domain/Workspace.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import type { Tool } from "../../services/Toolbox.ts"
import { Workspace } from "../../services/Workspace.ts"

/** Tools that read files: one of them is enough. */
const readers = new Set(["Read", "Grep", "Bash"])

export const make = Effect.map(Workspace, (service) => {
  /** Where the whole of a result is; null when no file of the workspace has it. */
  const kept = (
    { agent, session }: ReplyRequest,
    { id }: ToolResultBlock,
    text: string
  ): Effect.Effect<string | null> => {
    const file = resultFile(session.id, id)
    return Effect.gen(function*() {
      const workspace = yield* service.open(session.user_id, {
        agent_id: agent.id,
        workspace_id: session.config.workspace_id
      })
      const path = `${workspace.root}/${file}`
      // The tool itself has kept more than it has shown, if need be as a task: that must not be replaced by less.
      const isThere = (text.includes(path) || isMoved(text)) && (yield* Effect.isSuccess(workspace.stat(path)))
      if (!isThere) yield* workspace.write(path, Stream.make(Buffer.from(text)))
      return path
    }).pipe(
      Effect.scoped,
      Effect.catchAll(({ detail }) =>
        Effect.as(
          Effect.logDebug("A tool's result could not be kept in the workspace").pipe(
            Effect.annotateLogs({ error: detail, session_id: session.id })
          ),
          null
        )
      )
    )
  }

  /** Decides for each long result that has come since the last model call what a model is shown of it. */
  return Effect.fnUntraced(function*(request: ReplyRequest, out: Out, tools: ReadonlyArray<Tool>) {
    const { message } = out.reply()
    const limit = request.agent.data.context_config.tool_result_limit * bytesPerToken
    for (const block of message.content) {
      if (block.type !== "tool_result" || block.state === "running" || block.offloaded !== undefined) continue
      if (bytesIn(block) <= limit) continue
      const text = textOf(block.output)
      const canRead = tools.some(({ name }) => readers.has(name))
      const path = canRead ? yield* kept(request, block, text) : null
      out.emit({
        type: "CUSTOM",
        name: "tool_result_offloaded",
        value: {
          reply_id: message.id,
          tool_call_id: block.id,
          shown: shownWithin(text, limit),
          characters: text.length,
          path
        }
      })
    }
  })
})
