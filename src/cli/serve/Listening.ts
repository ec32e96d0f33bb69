/** The port: whether it is free, why it is not, and how clients reach it. */
import { Data, Effect, Predicate } from "effect"
import { createServer } from "node:net"
import type { Settings } from "../../domain/Settings.ts"

export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

export const cannotListen = ({ host, port }: Settings) => (cause: unknown) => {
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  switch (code) {
    case "EADDRINUSE":
      return new CannotListen({
        message: `Port ${port} on ${host} is in use. Stop what uses it, or choose another with --port.`
      })
    case "EACCES":
      return new CannotListen({
        message: `This user may not listen on port ${port}. Choose one above 1023 with --port.`
      })
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CannotListen({ message: `${host} is no address of this machine. Choose another with --host.` })
    default:
      return new CannotListen({
        message: `The server cannot listen on ${host}:${port} (${String(code ?? "unknown")}).`
      })
  }
}

/** Where clients on this machine reach a server that listens there. */
export const urlOf = ({ host }: Settings, port: number) => {
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  return `http://${name.includes(":") && !name.startsWith("[") ? `[${name}]` : name}:${port}`
}

/** Whether the port is free, asked before a database is opened for nothing. */
export const probe = (settings: Settings) =>
  Effect.async<void, CannotListen>((resume) => {
    const server = createServer()
    server.once("error", (cause) => resume(Effect.fail(cannotListen(settings)(cause))))
    server.listen({ port: settings.port, host: settings.host, exclusive: true }, () =>
      server.close(() => resume(Effect.void)))
  })
