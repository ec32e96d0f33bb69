/** Reads what an owner gives as a notification: where its messages go, and what of that may be shown. */
import { Effect } from "effect"
import { Invalid } from "../../domain/Errors.ts"
import type { NotificationKind, Target } from "../../domain/Notification.ts"
import type { Mailer } from "../../services/Mailer.ts"
import type { Outbound } from "../../services/Outbound.ts"

export const invalid = (path: string, message: string): Invalid =>
  new Invalid({ detail: `${path}: ${message}`, errors: [{ path, message }] })

/** Random bytes of a fresh secret. */
const secretBytes = 32

export const freshSecret = Effect.sync(() =>
  `whsec_${Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(secretBytes))).toString("base64")}`
)

const checkUrl = (outbound: typeof Outbound.Service, text: string | undefined) =>
  Effect.gen(function*() {
    if (text === undefined) return yield* invalid("url", "Expected the address of the receiver")
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      return yield* invalid("url", "Expected an address such as https://example.com/hook")
    }
    if (url.username !== "" || url.password !== "") return yield* invalid("url", "Expected no user and no password")
    if (outbound.forbids(url.href)) {
      return yield* invalid("url", "This address may not be reached from here. An operator can allow it.")
    }
    return url
  })

export interface Checked {
  readonly target: Target
  /** What may be shown of it. */
  readonly shown: string
}

interface Given {
  readonly url?: string | undefined
  readonly to?: string | undefined
  readonly secret?: string | undefined
}

/** Fields of another kind are refused: they would have no effect. */
const refuseOthers = (kind: NotificationKind, given: Given) => {
  const foreign = kind === "email"
    ? ["url", "secret"] as const
    : kind === "slack"
    ? ["to", "secret"] as const
    : ["to"] as const
  const name = foreign.find((field) => given[field] !== undefined)
  return name === undefined ? Effect.void : Effect.fail(invalid(name, `Expected nothing here: the kind is ${kind}`))
}

/** What may be shown of an address: Slack's path is what lets one write there. */
export const shownOf = (kind: NotificationKind, url: URL): string =>
  kind === "slack" ? url.origin : `${url.origin}${url.pathname}`

/** What is given, over what there is already. */
export const check = Effect.fnUntraced(function*(
  { mailer, outbound }: { readonly mailer: typeof Mailer.Service; readonly outbound: typeof Outbound.Service },
  kind: NotificationKind,
  given: Given,
  before: Target = {}
) {
  yield* refuseOthers(kind, given)
  if (kind === "email") {
    if (!mailer.isThere) {
      return yield* invalid(
        "kind",
        "This server sends no e-mails. An operator can name a mail server with STOA_SMTP_URL"
      )
    }
    const to = given.to ?? before.to
    if (to === undefined) return yield* invalid("to", "Expected the address of the receiver")
    return { target: { to }, shown: to } satisfies Checked
  }
  const url = yield* checkUrl(outbound, given.url ?? before.url)
  const target = kind === "slack"
    ? { url: url.href }
    : { url: url.href, secret: given.secret ?? before.secret ?? (yield* freshSecret) }
  return { target, shown: shownOf(kind, url) } satisfies Checked
})
