/** Files that come piece by piece, until they are whole. */
import type { EventOf } from "./Frames.ts"
import * as Outputs from "./Outputs.ts"

interface File {
  readonly mediaType: string
  data: string
  readonly url: string | undefined
}

export class Collected {
  readonly #files = new Map<string, File>()

  add({ block_id, data, media_type, url }: EventOf<"DATA_BLOCK_DELTA" | "TOOL_RESULT_DATA_DELTA">): void {
    const known = this.#files.get(block_id)
    if (known !== undefined) known.data += data ?? ""
    else this.#files.set(block_id, { mediaType: media_type, data: data ?? "", url: url ?? undefined })
  }

  /** The file of a block, which is over. */
  take(block: string): ReturnType<typeof Outputs.fileOf> | undefined {
    const file = this.#files.get(block)
    this.#files.delete(block)
    return file && Outputs.fileOf(file.mediaType, file)
  }

  all(): ReadonlyArray<ReturnType<typeof Outputs.fileOf>> {
    return Array.from(this.#files.values(), (file) => Outputs.fileOf(file.mediaType, file))
  }
}
