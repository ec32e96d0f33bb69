/** The dashboard in a real browser, against the built server: the first steps, every screen, and a server that dies. */
import { assert } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, it, vi } from "vitest"
import { isThere, launch } from "../support/browser.ts"
import { patience } from "../support/Patience.ts"
import { adminKey, type Server, startServer, temporaryFolder } from "../support/Server.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** Longest wait for something on the page, in milliseconds. */
const soon = patience(10_000)

/** What axe has against the page, a line for each: what, where, and why. In the page, so as a text. */
const looking = `axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ": " + nodes[0].html + " " + nodes[0].failureSummary))`

describe.skipIf(!isThere)("The dashboard in a browser", { timeout: patience(120_000) }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: Server
  let browser: Browser
  let page: Page
  /** What the browser complained of: scripts that broke, and what its policy has kept out. */
  const complaints: Array<string> = []

  const args = () => ["--data-dir", folder.path]

  beforeAll(async () => {
    folder = await temporaryFolder()
    const [started, launched] = await Promise.all([startServer(args()), launch()])
    server = started
    browser = launched
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(soon)
    page.on("pageerror", ({ message }) => void complaints.push(message))
    page.on("console", (message) => {
      if (/Content Security Policy|Error:/.test(message.text())) complaints.push(message.text())
    })
  }, patience(90_000))

  afterAll(async () => {
    await browser?.close()
    await server?.kill("SIGTERM")
    await folder?.remove()
  }, patience(60_000))

  const open = (path: string) => page.goto(`${server.url}/dashboard${path}`)
  const heading = (name: string) => page.getByRole("heading", { name, level: 1 }).waitFor()
  const press = (name: string) => page.getByRole("button", { name, exact: true }).first().click()

  /** Asked from outside: the page's policy keeps out what would watch the expression from within it. */
  const comesTrue = (expression: string) =>
    vi.waitUntil(() => page.evaluate<boolean>(expression), { timeout: soon, interval: 50 })

  const violations = async (): Promise<ReadonlyArray<string>> => {
    await page.evaluate(axe)
    return page.evaluate<ReadonlyArray<string>>(looking)
  }

  it("leads a newcomer from the first page to an agent that works by the clock", async () => {
    await page.goto(server.url)
    await heading("Home")
    assert.include(page.url(), "/dashboard")
    await page.getByRole("link", { name: "Add a key of a model provider" }).click()
    await page.getByRole("button", { name: /Demo$/ }).click()
    await page.getByLabel("Name").fill("My first key")
    await press("Save and test")
    await page.getByText(/the provider answered in \d+ ms/).waitFor()
    await page.getByText("demo-chat", { exact: true }).waitFor()

    await open("/agents/new")
    await page.getByLabel("Name").fill("Reporter")
    await page.getByLabel("Instructions").fill("You write reports.")
    await page.getByLabel("Model", { exact: true }).selectOption("demo-chat")
    await page.getByLabel("Which tools it has").selectOption("all")
    await press("Create")
    await heading("Reporter")

    await open("/schedules/new")
    await page.getByLabel("Name").fill("Morning report")
    await page.getByLabel("Agent").selectOption({ label: "Reporter" })
    await page.getByLabel("What it is told").fill("Write the report.")
    await press("Every day at 9")
    await page.getByText("every day at 09:00").waitFor()
    await press("Create")
    await heading("Morning report")
    await press("Fire now")
    await page.getByText("completed").first().waitFor()

    await open("/")
    await page.getByText(/3 of 6 done/).waitFor()
  })

  it("is used with a keyboard alone", async () => {
    await open("/")
    await heading("Home")
    await page.keyboard.press("Tab")
    assert.strictEqual(await page.evaluate("document.activeElement.textContent"), "Skip to the content")
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox").waitFor()
    await page.keyboard.type("credent")
    await page.keyboard.press("Enter")
    await heading("Credentials")
    // The focus is where the reading begins.
    assert.strictEqual(await page.evaluate("document.activeElement.id"), "content")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await heading("Add a credential")
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox").waitFor()
    await page.keyboard.press("Escape")
    await page.getByRole("combobox").waitFor({ state: "detached" })
  })

  it("says that the server is away, and goes on by itself when it is back", async () => {
    await open("/agents")
    const agent = page.getByRole("link", { name: "Reporter" })
    await agent.waitFor()
    const port = Number(new URL(server.url).port)
    await server.kill("SIGKILL")
    await page.getByText("The server does not answer.").waitFor({ timeout: patience(30_000) })
    assert.isTrue(await agent.isVisible())
    server = await startServer(args(), { port })
    await page.getByText("The server does not answer.").waitFor({ state: "detached" })
    await agent.click()
    await heading("Reporter")
  })

  it("shows every screen to everybody, in light and dark, without a barrier that axe knows", async () => {
    const key = await adminKey(folder.path)
    await open("/")
    await page.getByRole("button", { name: /^Account/ }).click()
    await page.getByRole("menuitem", { name: "Sign in with a key …" }).click()
    await page.getByLabel("API key").fill(key)
    await press("Sign in")
    await page.getByRole("button", { name: "Account: admin" }).waitFor()
    const links = page.getByRole("navigation", { name: "Screens" }).getByRole("link")
    const paths = await Promise.all((await links.all()).map(async (link) => (await link.getAttribute("href"))!))
    assert.isAbove(paths.length, 12)
    const more = [
      "/dashboard/credentials/new?type=openai_credential",
      "/dashboard/agents/new",
      "/dashboard/schedules/new"
    ]
    const found: Array<string> = []
    for (const theme of ["light", "dark"]) {
      await page.evaluate(`localStorage.setItem("stoa.theme", "${theme}")`)
      for (const path of new Set([...paths, ...more])) {
        await page.goto(server.url + path)
        await page.getByRole("heading", { level: 1 }).waitFor()
        await comesTrue("document.querySelector('main [role=status]') === null")
        // What appears does so slowly, and has other colours meanwhile.
        await comesTrue("document.getAnimations().every(({ playState }) => playState !== 'running')")
        found.push(...(await violations()).map((violation) => `${path} in ${theme}: ${violation}`))
      }
    }
    assert.deepStrictEqual(found, [])
  })

  it("signs out, and is the local user again", async () => {
    await open("/")
    await page.getByRole("button", { name: "Account: admin" }).click()
    await page.getByRole("menuitem", { name: "Sign out" }).click()
    await page.getByRole("button", { name: "Account: local" }).waitFor()
  })

  it("has broken nothing, and was kept from nothing by its policy", () => {
    assert.deepStrictEqual(complaints, [])
  })
})
