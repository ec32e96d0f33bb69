/** What was sent here, as a program would send it. */
import { serverUrl } from "../../app/Place.ts"

/** A word of a shell, whatever is in it. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

export const curlOf = (session_id: string, input: string): string =>
  [
    `SESSION=${quoted(session_id)}`,
    `AGENT=$(curl -s ${
      quoted(`${serverUrl}/sessions/`)
    }"$SESSION" -H "authorization: Bearer $STOA_KEY" | sed 's/.*"agent_id":"\\([^"]*\\).*/\\1/')`,
    `curl -sN ${quoted(`${serverUrl}/chat`)} \\`,
    `  -H "authorization: Bearer $STOA_KEY" -H 'content-type: application/json' \\`,
    `  -d '{"agent_id": "'"$AGENT"'", "session_id": "'"$SESSION"'", "input": '${
      quoted(JSON.stringify({ content: input }))
    }'}'`
  ].join("\n")

export const typescriptOf = (session_id: string, input: string): string =>
  [
    `import * as Client from "stoa/client"`,
    ``,
    `const client = Client.make({ url: ${JSON.stringify(serverUrl)}, key: process.env.STOA_KEY })`,
    `for await (const event of client.chat({ session_id: ${JSON.stringify(session_id)}, input: ${
      JSON.stringify(input)
    } })) {`,
    `  if (event.type === "TEXT_BLOCK_DELTA") process.stdout.write(event.delta)`,
    `}`
  ].join("\n")
