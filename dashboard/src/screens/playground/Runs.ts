/** The runs behind replies. */
import { client } from "../../api/Api.ts"
import { api } from "../../api/Api.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { tell } from "../../ui/Toasts.ts"
import { words } from "../../words/words.ts"

/** Pages that are looked through, the newest runs first, and runs of each. */
const maxPages = 10
const pageSize = 1_000

export const runOfReply = async (session_id: string, reply_id: string) => {
  let cursor: string | undefined
  for (let page = 0; page < maxPages; page++) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- each page is told of by the one before
    const { next_cursor, runs } = await client.runs.list({
      session_id,
      limit: pageSize,
      ...(cursor !== undefined && { cursor })
    })
    const run = runs.find((run) => run.reply_id === reply_id)
    if (run !== undefined) return run
    if (next_cursor === null) return undefined
    cursor = next_cursor
  }
  return undefined
}

export const sendAgain = async (session_id: string, reply_id: string): Promise<void> => {
  try {
    const run = await runOfReply(session_id, reply_id)
    if (run === undefined) tell({ kind: "bad", text: words.app.gone })
    else await api.runs.retry({ path: { run_id: run.id } })
  } catch (error) {
    tell({ kind: "bad", text: sentenceOf(error) })
  }
}
