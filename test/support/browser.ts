/** A real browser, where there is one: Chromium, which `CHROMIUM` names if it is elsewhere. */
import { existsSync } from "node:fs"
import { type Browser, chromium } from "playwright-core"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

export const isThere = existsSync(executablePath)

if (!isThere) console.warn(`The tests of a browser are left out: there is no Chromium at ${executablePath}.`)

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

export const launch = (): Promise<Browser> => chromium.launch({ executablePath, headless: true, args: flags })
