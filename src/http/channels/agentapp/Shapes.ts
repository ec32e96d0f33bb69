/** Content of AgentApp's messages, and why a response is not whole. */
import type { AgentEvent } from "../../../domain/Event.ts"

export type Content = Readonly<Record<string, unknown>> & { readonly type: string }

const addressOf = (media_type: string, { data, url }: { readonly data?: string; readonly url?: string }) =>
  url ?? `data:${media_type};base64,${data ?? ""}`

/** A file, by what it is. */
export const fileOf = (media_type: string, source: { readonly data?: string; readonly url?: string }): Content => {
  if (media_type.startsWith("image/")) return { type: "image", image_url: addressOf(media_type, source) }
  if (media_type.startsWith("audio/")) {
    return { type: "audio", data: addressOf(media_type, source), format: media_type.slice("audio/".length) }
  }
  if (media_type.startsWith("video/")) return { type: "video", video_url: addressOf(media_type, source) }
  return source.url === undefined
    ? { type: "file", file_data: addressOf(media_type, source) }
    : { type: "file", file_url: source.url }
}

/** Why the answer is not all that there could be: it was cut or filtered, or the run waits for somebody. */
export type Lack =
  | "max_iterations"
  | "max_output_tokens"
  | "content_filter"
  | Extract<AgentEvent, { readonly name: "run_parked" }>["value"]["waiting_for"]

export const lackOf = (
  { finished_reason, stop_reason }: Extract<AgentEvent, { readonly type: "REPLY_END" }>
): Lack | undefined =>
  finished_reason === "exceed_max_iters"
    ? "max_iterations"
    : stop_reason === "max_tokens"
    ? "max_output_tokens"
    : stop_reason === "content_filter" || stop_reason === "refusal"
    ? "content_filter"
    : undefined
