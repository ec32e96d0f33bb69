/** What is wrong with whom agents' definitions tell of their runs. */
import type { AgentDefinition, Fault, NotificationTarget } from "../../domain/Definition.ts"
import { whole } from "./Disk.ts"

/** Who can be told. */
export interface Reachable {
  /** The names of the settings' receivers. */
  readonly names: ReadonlySet<string>
  /** Whether there is a mail server. */
  readonly mails: boolean
}

/** A body with a word for each variable; it stands in texts alone. */
const isJson = (body: string): boolean => {
  try {
    JSON.parse(body.replaceAll(/\{\{ ?\w+ ?\}\}/g, "x"))
    return true
  } catch {
    return false
  }
}

const ofTarget = (
  file: string,
  { channel, payload_template, target, url }: NotificationTarget,
  reachable: Reachable | undefined
): ReadonlyArray<Fault> => [
  ...payload_template !== null && !isJson(payload_template)
    ? [whole(file, "A payload_template is no JSON.", "Put its variables between quotes, such as \"{{reply}}\".")]
    : [],
  ...reachable !== undefined && channel !== "email" && url === null && !reachable.names.has(target ?? "")
    ? [whole(file, `There is no receiver called ${target}.`, "Add it to STOA_RECEIVERS, or give a url.")]
    : [],
  ...reachable !== undefined && channel === "email" && !reachable.mails
    ? [{
      ...whole(
        file,
        "It tells somebody by e-mail, and this server sends none.",
        "Name a mail server in STOA_SMTP_URL."
      ),
      level: "warning" as const
    }]
    : []
]

export const faultsOf = (
  agents: ReadonlyMap<string, AgentDefinition>,
  reachable: Reachable | undefined
): ReadonlyArray<Fault> =>
  [...agents.values()].flatMap(({ front: { notifications }, id }) =>
    notifications === null
      ? []
      : [...notifications.on_complete, ...notifications.on_error, ...notifications.on_timeout]
        .flatMap((target) => ofTarget(`agents/${id}/AGENT.md`, target, reachable))
  )
