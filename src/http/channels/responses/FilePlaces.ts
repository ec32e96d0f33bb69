/** Where the bytes of files stand in requests. */
export const filePlaces: ReadonlyArray<RegExp> = [
  /^(?:input|items)\.\d+\.(?:content|output)\.\d+\.(?:image_url|file_data|input_audio\.data)$/
]
