/**
 * Which addresses tenants may reach: public ones by https, and what the
 * operator allows. A server inside a network must not be a way into it.
 */
import ipaddr from "ipaddr.js"
import { networkInterfaces } from "node:os"

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** These addresses answer with credentials of the machine itself. A range or a name never allows them, only their own address. */
const metadata = new Set(
  ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"]
    .map((text) => ipaddr.process(text).toString())
)
const metadataNames = new Set(["metadata.google.internal", "metadata.goog"])

/** Names that never lead to the internet: one word, and the suffixes of RFC 6761, 6762, 8375 and of private use. */
const innerName = /^[^.]*$|\.(localhost|local|internal|intranet|private|corp|home|lan|home\.arpa)$/

const global6 = ipaddr.IPv6.parseCIDR("2000::/3")

/** Globally routed to somebody else. */
const isPublic = (address: Address, own: ReadonlySet<string>) =>
  address.range() === "unicast" && !metadata.has(address.toString()) && !own.has(address.toString()) &&
  (address.kind() === "ipv4" || address.match(global6))

const plainPorts = new Set([80, 443])
const isPlainPort = (port: number) => port >= 1024 || plainPorts.has(port)

/** What a URL leads to. */
export interface Target {
  readonly protocol: string
  /** Without brackets. */
  readonly hostname: string
  readonly port: number
}

/** Undefined for what is no plain http or https address. */
export const targetOf = (text: string): Target | undefined => {
  if (!URL.canParse(text)) return undefined
  const { hostname, password, port, protocol, username } = new URL(text)
  if ((protocol !== "https:" && protocol !== "http:") || `${username}${password}` !== "") return undefined
  return {
    protocol,
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port)
  }
}

interface Allowed {
  /** `name` or `name:port`. */
  readonly names: ReadonlySet<string>
  readonly ranges: ReadonlyArray<readonly [Address, number]>
  /** `address` or `address port`. */
  readonly addresses: ReadonlySet<string>
}

const bracketed = /^\[([\da-f:.]+)\](?::(\d+))?$/
const bare = /^([\da-f:.]+)$/
const name = /^([^:]+)(?::(\d+))?$/

/** A host and its port, if it names one. An address with colons has its port behind brackets. */
const partsOf = (host: string): ReadonlyArray<string | undefined> => {
  const shape = host.startsWith("[") ? bracketed : host.split(":").length > 2 ? bare : name
  return shape.exec(host)?.slice(1) ?? []
}

/** Reads `ollama.internal`, `ollama.internal:11434`, `10.1.2.3:80`, `[fd00::1]:80`, `10.1.0.0/16`. */
const allowedOf = (hosts: ReadonlyArray<string>, loopback: boolean): Allowed => {
  const [names, addresses] = [new Set<string>(), new Set<string>()]
  const ranges: Array<readonly [Address, number]> = loopback
    ? [ipaddr.parseCIDR("127.0.0.0/8"), ipaddr.parseCIDR("::1/128")]
    : []
  for (const host of hosts) {
    if (host.includes("/")) {
      ranges.push(ipaddr.parseCIDR(host))
      continue
    }
    const [literal = "", port] = partsOf(host.toLowerCase())
    if (ipaddr.isValid(literal)) {
      const address = ipaddr.process(literal).toString()
      addresses.add(port === undefined ? address : `${address} ${port}`)
    } else names.add(port === undefined ? literal : `${literal}:${port}`)
  }
  return { names, ranges, addresses }
}

export type Rules = ReturnType<typeof rulesOf>

const ownAddresses = (): ReadonlySet<string> =>
  new Set(
    Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map(({ address }) => ipaddr.process(address.split("%", 1)[0]!).toString())
    )
  )

/**
 * `hosts` is what the operator allows, `loopback` whether this machine may be
 * reached too. `own` are this machine's addresses, which a firewall may keep
 * from others and not from us.
 */
export const rulesOf = (hosts: ReadonlyArray<string>, loopback: boolean, own = ownAddresses) => {
  const allowed = allowedOf(hosts, loopback)
  const inRange = (address: Address) =>
    allowed.ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits))

  /** Whether the target uses https and a port that does not belong to another protocol. */
  const isPlain = ({ port, protocol }: Target) => protocol === "https:" && isPlainPort(port)

  const nameOf = ({ hostname }: Target) => hostname.toLowerCase().replace(/\.$/, "")

  const isNamed = (target: Target) => {
    const name = nameOf(target)
    return allowed.names.has(name) || allowed.names.has(`${name}:${target.port}`)
  }

  /** Whether an address may be dialled for this target. */
  const allows = (text: string, target: Target): boolean => {
    if (!ipaddr.isValid(text)) return false
    const address = ipaddr.process(text)
    const written = address.toString()
    if (allowed.addresses.has(written) || allowed.addresses.has(`${written} ${target.port}`)) return true
    if (metadata.has(written)) return false
    return inRange(address) || isNamed(target) || (isPlain(target) && isPublic(address, own()))
  }

  /** Whether the name is refused whatever it leads to. */
  const forbidsName = (target: Target): boolean => {
    const name = nameOf(target)
    if (isNamed(target)) return false
    if (metadataNames.has(name)) return true
    return allowed.ranges.length + allowed.addresses.size === 0 && (innerName.test(name) || !isPlain(target))
  }

  return { allows, forbidsName }
}
