/** The media types of files by their names. What a browser would run or draw with code in it is a text or a download. */

const types: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  pdf: "application/pdf",
  json: "application/json",
  zip: "application/zip",
  csv: "text/csv; charset=utf-8",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  mp4: "video/mp4"
}

const texts = new Set(
  ("txt md markdown log html htm xml svg css js mjs cjs ts tsx jsx py rb rs go java c h cpp hpp sh bash yaml yml toml ini sql "
    + "diff patch").split(" ")
)

const endingOf = (name: string): string => name.slice(name.lastIndexOf(".") + 1).toLowerCase()

export const ofName = (name: string): string => {
  const ending = endingOf(name)
  return texts.has(ending) ? "text/plain; charset=utf-8" : types[ending] ?? "application/octet-stream"
}

/** Whether a browser may show it in its place. */
export const isHarmless = (name: string): boolean => /^(image|text|audio|video)\//.test(ofName(name))
