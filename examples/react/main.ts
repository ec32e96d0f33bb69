/** The script of a page of the server's own origin: `esbuild --bundle examples/react/main.ts --outfile=chat.js`. */
import { createElement as h } from "react"
import { type Container, createRoot } from "react-dom/client"
import * as Client from "../../src/http/client/Client.ts"
import { StoaProvider } from "../../src/http/client/React.ts"
import { Chat, Runs } from "./Chat.ts"

declare const document: { readonly body: Container }
declare const location: { readonly search: string }

const client = Client.make({ url: "", credentials: "same-origin" })
// The address of the page names the session: `/chat.html?session=…`
const session_id = new URLSearchParams(location.search).get("session") ?? ""

createRoot(document.body).render(h(StoaProvider, { client }, h(Chat, { session_id }), h(Runs)))
