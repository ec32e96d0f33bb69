/** Which names the server answers to, and which web pages may talk to it. */

export interface Admission {
  /** The server listens on loopback only. */
  readonly loopback: boolean
  /** Origins such as `https://app.example.com`. Without any, a loopback server admits loopback origins. */
  readonly corsOrigins: ReadonlyArray<string>
  /** Names such as `stoa.example.com`, with or without a port. Without any, a server that is not on loopback answers to all. */
  readonly allowedHosts: ReadonlyArray<string>
}

const loopbackHost = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i
const loopbackOrigin = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i

const withoutPort = (host: string) => host.replace(/:\d+$/, "")

/** Otherwise a name that an attacker points at 127.0.0.1 would make a browser speak for the attacker's page. */
export const admitsHost = ({ allowedHosts, loopback }: Admission): (host: string) => boolean => {
  const names = new Set(allowedHosts.map((host) => host.toLowerCase()))
  if (!loopback && names.size === 0) return () => true
  return (host) =>
    loopbackHost.test(host) || names.has(host.toLowerCase()) || names.has(withoutPort(host.toLowerCase()))
}

export const admitsOrigin = ({ corsOrigins, loopback }: Admission): (origin: string) => boolean => {
  const origins = new Set(corsOrigins.map((origin) => origin.toLowerCase()))
  return (origin) =>
    origins.has(origin.toLowerCase()) || (loopback && origins.size === 0 && loopbackOrigin.test(origin))
}

export const isSameOrigin = (origin: string, host: string | undefined): boolean =>
  host !== undefined && origin.replace(/^https?:\/\//i, "").toLowerCase() === host.toLowerCase()
