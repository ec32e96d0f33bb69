/** The server's API, as this page's user. */
import * as Client from "stoa/client/Client.ts"
import { apiOf } from "stoa/client/Operations.ts"
import { serverUrl } from "../app/Place.ts"
import { identified } from "./Identity.ts"

const options: Client.ClientOptions = {
  url: serverUrl,
  // Who asks is known only after the page has begun, so it is added to each request.
  fetch: (input, init) =>
    fetch(input, { ...init, headers: { ...init?.headers as Record<string, string>, ...identified() } })
}

/** Conversations: sends, streams, and answers. */
export const client: Client.Client = Client.make(options)

/** Every operation of the API, typed: `api.agents.list({ urlParams: { limit: 100 } })`. */
export const api = apiOf(client)

/** Makes something, as its body is on the wire: what has a default may be left out. */
export const post = async <Body, Made>(path: string, body: Body): Promise<Made> => {
  const response = await client.open("POST", path, { body })
  return response.json() as Promise<Made>
}
