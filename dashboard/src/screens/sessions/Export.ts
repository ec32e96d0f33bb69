/** A session as a file on the reader's machine. */
import { client } from "../../api/Api.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { tell } from "../../ui/Toasts.ts"

const endings = { markdown: "md", json: "json" }

export const exportSession = async (
  session_id: string,
  format: keyof typeof endings,
  name: string
): Promise<void> => {
  try {
    const response = await client.open("GET", `/sessions/${encodeURIComponent(session_id)}/export`, {
      headers: { accept: "*/*" },
      query: { format }
    })
    const url = URL.createObjectURL(await response.blob())
    const link = document.createElement("a")
    link.href = url
    link.download = `${name}.${endings[format]}`
    link.click()
    URL.revokeObjectURL(url)
  } catch (error) {
    tell({ kind: "bad", text: sentenceOf(error) })
  }
}
