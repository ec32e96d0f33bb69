/** A configuration that somebody has read, changed and sent back: its masked values are those that are stored. */
import { Effect } from "effect"
import { Invalid } from "../../domain/Errors.ts"
import { masked, type McpConfigInput, type McpSecrets, type StoredMcpConfig } from "../../domain/McpConfig.ts"

const hostOf = (url: string) => URL.canParse(url) ? new URL(url).origin : url

/** Whether both are reached at the same host, or are the same program: what one was told may be told to the other. */
export const isSamePlace = (config: StoredMcpConfig, before: StoredMcpConfig | null): boolean => {
  if (before === null || config.type !== before.type) return false
  if (config.type === "http_mcp") return before.type === "http_mcp" && hostOf(config.origin) === hostOf(before.origin)
  return before.type === "stdio_mcp" && config.command === before.command && config.cwd === before.cwd &&
    config.args.length === before.args.length && config.args.every((arg, i) => arg === before.args[i])
}

const unknown = (path: string) => {
  const message = "Expected a value: none is stored that the mask could stand for"
  return new Invalid({ code: "secrets_masked", detail: `${path}: ${message}.`, errors: [{ path, message }] })
}

const elsewhere = (path: string) => {
  const message = "Expected all secrets anew: those that are stored were given for another host, or another program"
  return new Invalid({ code: "secrets_masked", detail: `${path}: ${message}.`, errors: [{ path, message }] })
}

/** `Invalid` where a masked value has nothing to stand for, or would be told to another host or program. */
export const unmasked = (
  config: McpConfigInput,
  before: StoredMcpConfig | null,
  secrets: McpSecrets
): Effect.Effect<McpConfigInput, Invalid> =>
  Effect.gen(function*() {
    const reveal = Effect.fnUntraced(function*(
      path: string,
      given: Readonly<Record<string, string>> | null,
      stored: Readonly<Record<string, string>> | undefined,
      isSame: boolean
    ) {
      if (given === null) return null
      const values: Record<string, string> = {}
      for (const [name, value] of Object.entries(given)) {
        if (value !== masked) {
          values[name] = value
          continue
        }
        if (!isSame) return yield* elsewhere(`${path}.${name}`)
        const known = stored !== undefined && Object.hasOwn(stored, name) ? stored[name] : undefined
        values[name] = known ?? (yield* unknown(`${path}.${name}`))
      }
      return values
    })

    if (config.type === "stdio_mcp") {
      const { args, command, cwd, type } = config
      const isSame = isSamePlace({ type, command, args: args ?? [], cwd, env: [] }, before)
      return { ...config, env: yield* reveal("env", config.env, secrets.env, isSame) }
    }
    const isSame = before?.type === "http_mcp" && hostOf(config.url) === hostOf(before.origin)
    const headers = yield* reveal("headers", config.headers, secrets.headers, isSame)
    const isMasked = new URL(config.url).search.includes(masked)
    if (isMasked && !isSame) return yield* elsewhere("url")
    const isUnchanged = before?.type === "http_mcp" && config.url === before.origin
    if (isMasked && (!isUnchanged || secrets.url === undefined)) return yield* unknown("url")
    const url = isMasked ? secrets.url! : config.url
    if (config.oauth?.client_secret !== masked) return { ...config, url, headers }
    if (!isSame) return yield* elsewhere("oauth.client_secret")
    const client_secret = secrets.client_secret ?? (yield* unknown("oauth.client_secret"))
    return { ...config, url, headers, oauth: { ...config.oauth, client_secret } }
  })
