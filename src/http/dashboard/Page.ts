/** The one page of the dashboard, for every address below it, and the policy that it is shown under. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { randomBytes } from "node:crypto"

/** Nothing is loaded from elsewhere, and no text becomes a script. Libraries write some styles while they run, with the nonce. */
const policy = (nonce: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "font-src 'self'",
    "connect-src 'self'",
    // The page has one `base`, which leads back to the dashboard's own path.
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "object-src 'none'"
  ].join("; ")

/** Most parts of an address of a screen. */
const maxParts = 12

/**
 * The way from the address of a page to the dashboard's own path, so that it works below any path, also below one that
 * only a proxy in front knows. `rest` is what follows `/dashboard`. Nothing for what no screen can be.
 */
export const upFrom = (rest: string): string | undefined => {
  if (rest === "") return "dashboard/"
  const parts = rest.split("/").length - 2
  return parts > maxParts ? undefined : parts === 0 ? "./" : "../".repeat(parts)
}

export const respond = (html: string, up: string): HttpServerResponse.HttpServerResponse => {
  const nonce = randomBytes(18).toString("base64")
  const page = html.replace("<head>", `<head><base href="${up}"><meta name="style-nonce" content="${nonce}">`)
  return HttpServerResponse.text(page, {
    contentType: "text/html; charset=utf-8",
    headers: {
      // Each answer has a nonce of its own, so none is kept.
      "cache-control": "no-store",
      "content-security-policy": policy(nonce),
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "permissions-policy": "camera=(), microphone=(), geolocation=()",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY"
    }
  })
}
