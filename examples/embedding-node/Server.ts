/** A program with a server of its own: Stoa answers below `/stoa`, and the program everywhere else. */
import { createServer, type IncomingMessage, type Server } from "node:http"
import type { Host } from "../../src/embed/Host.ts"

/** Whom the program knows the request to be from. A real one looks into its sessions; undefined leaves it to API keys. */
const userOf = ({ headers }: IncomingMessage) => /(?:^|; )user=(\w{1,64})/.exec(headers.cookie ?? "")?.[1]

export const serverOf = (host: Host): Server => {
  const stoa = host.handler({ base: "/stoa", user: userOf })
  const upgrade = host.upgrade({ base: "/stoa", user: userOf })
  return createServer((request, response) => stoa(request, response, () => response.end("the program's own page"))).on(
    "upgrade",
    (request, socket, head) => {
      if (!upgrade(request, socket, head)) socket.destroy()
    }
  )
}
