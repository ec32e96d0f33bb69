/** The chat in a real browser, against the built server: by keyboard, with hostile answers, and while the server dies. */
import { assert } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, it } from "vitest"
import { isThere, launch } from "../support/browser.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"
import { slowly } from "../support/stores.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** Longest wait for something on the page, in milliseconds. */
const soon = patience(10_000)

/** What a model might say to do harm to whoever reads it. */
const hostile = [
  "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>",
  "[run](javascript:window.harmed=1) ![pixel](https://evil.example/pixel.png)",
  "<iframe src='https://evil.example/'></iframe> safe\u202egpj.exe \u001b[31mred\u001b[0m",
  "> ".repeat(2_000),
  "[".repeat(5_000),
  "**never closed `nor this [nor](https://evil.example"
].join("\n\n")

describe.skipIf(!isThere)("The chat in a browser", { timeout: patience(120_000) }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: Server
  let browser: Browser
  let page: Page
  /** Scripts that broke, what the page's policy has kept out, and requests to other servers. */
  const complaints: Array<string> = []

  beforeAll(async () => {
    folder = await temporaryFolder()
    const [started, launched] = await Promise.all([startServer(["--data-dir", folder.path]), launch()])
    server = started
    browser = launched
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(soon)
    page.on("pageerror", ({ message }) => void complaints.push(message))
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) complaints.push(message.text())
    })
    page.on("request", (request) => {
      if (!/^(?:data|blob):/.test(request.url()) && new URL(request.url()).hostname !== "127.0.0.1") {
        complaints.push(request.url())
      }
    })
  }, patience(90_000))

  afterAll(async () => {
    await browser?.close()
    await server?.kill("SIGTERM")
    await folder?.remove()
  }, patience(60_000))

  const local = () => clientOf(server.url, "local")

  const send = async (input: string) => {
    const client = local()
    const { agent_id, session_id } = await client.converse()
    await client.must("POST", "/chat/async", { agent_id, session_id, input: { content: input } })
    return { agent_id, session_id }
  }

  const open = (session_id: string) => page.goto(`${server.url}/dashboard/chat/${session_id}`)

  const violations = async (): Promise<ReadonlyArray<string>> => {
    await page.evaluate(axe)
    return page.evaluate(`axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ": " + nodes[0].html + " " + nodes[0].failureSummary))`)
  }

  it("is used by the keyboard alone: asks, is asked for a permission, and answers", async () => {
    const { session_id } = await send("say Before.")
    await open(session_id)
    await page.getByText("Before.", { exact: true }).waitFor()
    // The focus is where one writes.
    await page.keyboard.type("call Write {\"path\":\"plan.md\",\"content\":\"Two beds\"}")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("then")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("say It is done.")
    await page.keyboard.press("Enter")
    const question = page.getByRole("region", { name: "May it run Write?" })
    await question.waitFor()
    assert.deepStrictEqual(await violations(), [])
    for (let presses = 0; presses < 20; presses++) {
      await page.keyboard.press("Shift+Tab")
      if (await page.evaluate("document.activeElement.textContent") === "Allow") break
    }
    await page.keyboard.press("Enter")
    await page.getByText("It is done.", { exact: true }).waitFor()
    await question.waitFor({ state: "detached" })
    assert.deepStrictEqual(complaints.splice(0), [])
  })

  it("shows hostile answers as texts: none runs, none calls another server, none freezes the page", async () => {
    const { session_id } = await send(hostile)
    await open(session_id)
    await page.getByRole("article", { name: "Friday" }).waitFor()
    await page.getByText("Not loaded from another server: pixel").waitFor()
    assert.isUndefined(await page.evaluate("window.harmed"))
    const links: ReadonlyArray<string> = await page.evaluate(
      "Array.from(document.querySelectorAll('main article a'), (link) => link.getAttribute('href'))"
    )
    assert.deepStrictEqual(links.filter((href) => !href.startsWith("https://")), [])
    assert.strictEqual(await page.locator("main iframe, main article script, main article img").count(), 0)
    assert.include(await page.getByRole("article", { name: "Friday" }).innerText(), "U+202E")
    const before = performance.now()
    await page.getByLabel("Message", { exact: true }).last().fill("still here")
    assert.isBelow(performance.now() - before, patience(2_000))
    assert.deepStrictEqual(await violations(), [])
    assert.deepStrictEqual(complaints.splice(0), [])
  })

  it("goes on by itself when the server is killed and started again, with every word once", async () => {
    const { session_id } = await send(slowly(60, 50))
    await open(session_id)
    const article = page.getByRole("article", { name: "Friday" })
    await article.getByText("word3").first().waitFor()
    const port = Number(new URL(server.url).port)
    await server.kill("SIGKILL")
    server = await startServer(["--data-dir", folder.path], { port })
    await article.getByText("word59").last().waitFor({ timeout: patience(60_000) })
    const { messages } = await local().must("GET", `/sessions/${session_id}/messages`)
    const said = messages[1].content.map(({ text }: { readonly text: string }) => text.trim())
    assert.deepStrictEqual((await article.locator(".markdown").allInnerTexts()).map((text) => text.trim()), said)
    assert.deepStrictEqual(complaints.splice(0), [])
  })

  it.each(["/chat", "/sessions", "/runs"])("leaves nobody out at %s, in the light and in the dark", async (path) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme })
      await page.goto(`${server.url}/dashboard${path}`)
      await page.getByRole("heading", { level: 1 }).waitFor()
      await page.waitForLoadState("networkidle")
      assert.deepStrictEqual(await violations(), [])
    }
  })
})
