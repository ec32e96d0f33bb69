/** Pictures and other files of requests: which are taken, where they are kept, and who gets them back. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { patience } from "../support/Patience.ts"
import { block, gif, jpeg, pdf, png, urlBlock, webp } from "../support/pictures.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

/** A block as it comes back, with the fields of all kinds. */
interface Block {
  readonly type: string
  readonly id: string
  readonly text: string
  readonly source: { readonly type: string; readonly media_type: string; readonly url: string; readonly data: string }
  readonly output: ReadonlyArray<Block>
}

let users = 0

/** A tenant with a session that talks to the demo model. */
const tenant = Effect.fnUntraced(function*(user = `ada-${users++}`) {
  const { call, url } = yield* Host
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Ada's" } })).json
  const { credential_id } =
    (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const session = Effect.map(
    call("POST", "/sessions", { user, body: { agent_id, chat_model_config } }),
    ({ json }): string => json.session_id
  )
  const session_id = yield* session
  const send = (input: unknown, more: object = {}, headers: Record<string, string> = {}) =>
    call("POST", "/chat/reply", { user, body: { agent_id, session_id, input, ...more }, headers })
  const transcript = Effect.map(call("GET", `/sessions/${session_id}/messages`, { user }), ({ json, text }) => ({
    messages: json.messages,
    text
  }))
  const fetched = (path: string, headers: Record<string, string> = {}, as = user) =>
    Effect.promise(async () => {
      const response = await fetch(url + path, { headers: { "x-user-id": as, ...headers } })
      return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
    })
  return { user, agent_id, session_id, session, send, transcript, fetched, call }
})

const content = (...blocks: ReadonlyArray<object>) => ({ content: [{ type: "text", text: "say seen" }, ...blocks] })

const base64 = (data: string, media_type = "image/png") => ({
  type: "data",
  source: { type: "base64", media_type, data }
})

/** What is refused, and the field that the answer names. */
const refused: ReadonlyArray<
  readonly [what: string, block: object, field: "data" | "url" | "media_type", says: RegExp]
> = [
  ["data that are not base64", base64("this is no picture!"), "data", /not base64/],
  ["data of one character too many", base64("AAAAA"), "data", /not base64/],
  ["data with padding in the middle", base64("iVBORw0KGgo=AAAA"), "data", /not base64/],
  ["a data: prefix inside the data", base64(`data:image/png;base64,${png().toString("base64")}`), "data", /data:/],
  ["an empty file", base64(""), "data", /empty/],
  ["a PNG that is none", base64(Buffer.from("hello, world").toString("base64")), "data", /not image\/png/],
  ["a JPEG that is said to be a PNG", block(jpeg(), "image/png"), "data", /image\/jpeg/],
  ["a PNG that is said to be a PDF", block(png(), "application/pdf"), "data", /image\/png/],
  ["a GIF that is said to be a WebP", block(gif(), "image/webp"), "data", /image\/gif/],
  ["a PDF that is said to be text", block(pdf(), "text/plain"), "data", /application\/pdf/],
  ["a text with zero bytes", block(Buffer.from("a\0b"), "text/plain"), "data", /zero/],
  ["audio that is none", block(Buffer.from("not a sound"), "audio/wav"), "data", /audio\/wav/],
  ["a media type that is none", block(png(), "picture"), "media_type", /media type/],
  ["a media type with a line break", block(png(), "image/png\r\nx: y"), "media_type", /media type/],
  ["a data: URL that cannot be read", urlBlock("data:image/png;base64,@@@"), "url", /data:/],
  ["a data: URL of another type", urlBlock(`data:image/png;base64,${jpeg().toString("base64")}`), "url", /jpeg/],
  ["a URL that is none", urlBlock("picture.png"), "url", /URL/],
  ["a URL of the server's own files", urlBlock("file:///etc/passwd"), "url", /http or https/],
  ["a URL that runs something", urlBlock("javascript:alert(1)"), "url", /http or https/],
  ["a URL that no provider follows", urlBlock("ftp://example.com/a.png"), "url", /http or https/],
  ["a file that is not stored", urlBlock(`/sessions/${"0".repeat(32)}/files/${"0".repeat(64)}`), "url", /not stored/]
]

layer(TestHost.layer(), { excludeTestServices: true, timeout: patience(60_000) })("Files of a request", (it) => {
  for (const [what, bad, field, says] of refused) {
    it.effect(`are refused with the path of their block: ${what}`, () =>
      Effect.gen(function*() {
        const { send, transcript } = yield* tenant()
        const one = yield* send(content(block(png()), bad))
        assert.strictEqual(one.status, 422, one.text)
        assert.strictEqual(one.json.errors[0].path, `input.content.2.source.${field}`)
        assert.match(one.json.detail, says)
        const several = yield* send([{ content: "say hi" }, content(bad)])
        assert.strictEqual(several.json.errors[0].path, `input.1.content.1.source.${field}`)
        assert.deepStrictEqual((yield* transcript).messages, [])
      }))
  }

  const good: ReadonlyArray<readonly [what: string, block: object]> = [
    ["PNG", block(png())],
    ["JPEG by its other name", block(jpeg(), "IMAGE/JPG")],
    ["GIF", block(gif(), "image/gif")],
    ["WebP", block(webp(), "image/webp")],
    ["PDF with junk before it", block(Buffer.concat([Buffer.from("\n\n"), pdf()]), "application/pdf")],
    ["text", block(Buffer.from("plain"), "text/plain; charset=utf-8")],
    ["any other type", block(Buffer.from([0, 1, 2]), "application/x-own")],
    ["base64 in lines", base64(png(300).toString("base64").replace(/(.{76})/g, "$1\r\n"))],
    ["base64 of URLs, without padding", base64(png(301).toString("base64url"))],
    ["a URL", urlBlock("https://example.com/cat.png")],
    ["a data: URL", urlBlock(`data:image/png;base64,${png().toString("base64")}`)],
    ["a percent-encoded data: URL", urlBlock("data:text/plain,Hello%20W%C3%B6rld", "text/plain")]
  ]
  for (const [what, block] of good) {
    it.effect(`are taken: ${what}`, () =>
      Effect.gen(function*() {
        const { send } = yield* tenant()
        const { status, text } = yield* send(content(block))
        assert.strictEqual(status, 200, text)
      }))
  }

  it.effect("are understood in a data: URL, and small ones stay in their block", () =>
    Effect.gen(function*() {
      const { send, transcript } = yield* tenant()
      const bytes = png()
      yield* send(content(urlBlock(`data:image/png;base64,${bytes.toString("base64")}`)))
      const { messages } = yield* transcript
      assert.deepStrictEqual(messages[0].content[1].source, {
        type: "base64",
        media_type: "image/png",
        data: bytes.toString("base64")
      })
    }))

  for (const size of [300 * 1024, 3 * 1024 * 1024, 15 * 1024 * 1024]) {
    it.effect(
      `of ${size / 1024} KB are stored once, named in the log, and given back as they were`,
      () =>
        Effect.gen(function*() {
          const { fetched, send, session_id, transcript, user } = yield* tenant()
          const { call } = yield* Host
          const bytes = png(size)
          const { status, text } = yield* send(content(block(bytes, "image/png", { name: "cat.png" })))
          assert.strictEqual(status, 200, text.slice(0, 500))
          yield* send(content(block(bytes)))
          const { messages, text: page } = yield* transcript
          assert.isBelow(page.length, 8_000)
          const url = `/sessions/${session_id}/files/${createHash("sha256").update(bytes).digest("hex")}`
          for (const message of [messages[0], messages[2]]) {
            assert.deepStrictEqual(message.content[1].source, { type: "url", url, media_type: "image/png" })
          }
          const { json: runs, text: runsText } = yield* call("GET", `/sessions/${session_id}/runs`, { user })
          assert.lengthOf(runs.runs, 2)
          assert.isBelow(runsText.length, 8_000)
          const back = yield* fetched(url)
          assert.strictEqual(back.status, 200)
          assert.isTrue(back.bytes.equals(bytes))
          assert.strictEqual(back.headers.get("content-type"), "image/png")
          assert.strictEqual(back.headers.get("content-length"), String(size))
        }),
      patience(60_000)
    )
  }

  it.effect("are shown to nobody else, and not after their session is gone", () =>
    Effect.gen(function*() {
      const ada = yield* tenant()
      const bob = yield* tenant()
      const { call } = yield* Host
      yield* ada.send(content(block(png(50_000))))
      const { url } = (yield* ada.transcript).messages[0].content[1].source
      assert.strictEqual((yield* ada.fetched(url)).status, 200)
      const foreign = yield* ada.fetched(url, {}, bob.user)
      const none = yield* ada.fetched(url.replace(ada.session_id, bob.session_id), {}, bob.user)
      assert.deepStrictEqual([foreign.status, none.status], [404, 404])
      // A file of somebody else cannot be sent on either.
      const stolen = yield* bob.send(content(urlBlock(url)))
      assert.strictEqual(stolen.status, 422)
      assert.match(stolen.json.detail, /not stored, or not yours/)
      const other = yield* ada.session
      assert.strictEqual((yield* ada.fetched(url.replace(ada.session_id, other))).status, 404)
      yield* call("DELETE", `/sessions/${ada.session_id}`, { user: ada.user })
      assert.strictEqual((yield* ada.fetched(url)).status, 404)
    }))

  it.effect("can be sent again by their path, also into another session of the owner", () =>
    Effect.gen(function*() {
      const ada = yield* tenant()
      const { call } = yield* Host
      const bytes = png(50_000)
      yield* ada.send(content(block(bytes)))
      const { url } = (yield* ada.transcript).messages[0].content[1].source
      assert.strictEqual((yield* ada.send(content(urlBlock(url)))).status, 200)
      const other = yield* ada.session
      const body = { agent_id: ada.agent_id, session_id: other, input: content(urlBlock(url)) }
      assert.strictEqual((yield* call("POST", "/chat/reply", { user: ada.user, body })).status, 200)
      yield* call("DELETE", `/sessions/${ada.session_id}`, { user: ada.user })
      const back = yield* ada.fetched(url.replace(ada.session_id, other))
      assert.isTrue(back.bytes.equals(bytes))
    }))

  it.effect("say how they may be shown and kept, and come in parts", () =>
    Effect.gen(function*() {
      const ada = yield* tenant()
      const bytes = png(600_000)
      const paper = pdf(50_000)
      const svg = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script>${" ".repeat(30_000)}</svg>`)
      yield* ada.send(content(
        block(bytes, "image/png", { name: "Kätzchen \"1\".png" }),
        block(paper, "application/pdf", { name: "a.pdf" }),
        block(svg, "image/svg+xml")
      ))
      const [, picture, document, drawing] = (yield* ada.transcript).messages[0].content.map(
        ({ source }: Block) => source?.url as string
      )
      const { headers } = yield* ada.fetched(picture)
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      assert.match(
        headers.get("content-disposition")!,
        /^inline; filename="K_tzchen _1_.png"; filename\*=UTF-8''K%C3%A4tz/
      )
      assert.include(headers.get("content-security-policy")!, "sandbox")
      assert.match(headers.get("cache-control")!, /private/)
      const etag = headers.get("etag")!
      assert.strictEqual((yield* ada.fetched(picture, { "if-none-match": etag })).status, 304)
      assert.match((yield* ada.fetched(document)).headers.get("content-disposition")!, /^attachment; filename="a.pdf"/)
      assert.match((yield* ada.fetched(drawing)).headers.get("content-disposition")!, /^attachment/)
      for (
        const [range, from, to] of [["bytes=0-9", 0, 9], ["bytes=300000-", 300_000, 599_999], [
          "bytes=-5",
          599_995,
          599_999
        ]] as const
      ) {
        const part = yield* ada.fetched(picture, { range })
        assert.strictEqual(part.status, 206)
        assert.strictEqual(part.headers.get("content-range"), `bytes ${from}-${to}/600000`)
        assert.isTrue(part.bytes.equals(bytes.subarray(from, to + 1)))
      }
      for (const range of ["bytes=5-2", "bytes=700000-", "lines=1-2", "bytes=0-1,3-4"]) {
        assert.strictEqual((yield* ada.fetched(picture, { range })).status, 200)
      }
    }))

  it.effect(
    "beyond the bound are refused with the bound and the field: one file, several, a whole body",
    () =>
      Effect.gen(function*() {
        const { send } = yield* tenant()
        const one = yield* send(content(block(png(22 * 1024 * 1024))))
        assert.strictEqual(one.status, 422, one.text.slice(0, 300))
        assert.strictEqual(one.json.errors[0].path, "input.content.1.source.data")
        assert.match(one.json.detail, /20 MB/)
        const eleven = block(png(11 * 1024 * 1024))
        const two = yield* send(content(eleven, eleven))
        assert.strictEqual(two.json.errors[0].path, "input.content.2.source.data")
        const body = yield* send(content(block(png(30 * 1024 * 1024))))
        assert.strictEqual(body.status, 413)
        assert.strictEqual(body.json.errors[0].path, "input")
        assert.match(body.json.detail, /32 MiB.*20 MB of files/)
        const text = yield* send({ content: [{ type: "text", text: "x".repeat(300_000) }] })
        assert.strictEqual(text.status, 422)
        assert.strictEqual(text.json.errors[0].path, "input.content.0.text")
        assert.match(text.json.detail, /262144/)
      }),
    patience(60_000)
  )

  it.effect("do not make room for a body of many small things, or of escaped characters", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { user } = yield* tenant()
      const headers = { "content-type": "application/json" }
      const bodies = [
        `{"input":[${"{},".repeat(3_000_000)}{}]}`,
        `{"input":${"[".repeat(9_000_000)}`,
        `["${"\\n".repeat(6_000_000)}"]`
      ]
      for (const [i, text] of bodies.entries()) {
        const { json, status } = yield* call("POST", "/chat/reply", { user, headers, text })
        assert.deepStrictEqual([status, json.code], [422, i === 1 ? "too_deep" : "too_many_members"])
      }
    }), patience(60_000))

  it.effect("do not make other bodies any larger", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { user } = yield* tenant()
      const large = yield* call("POST", "/agent", { user, body: { name: "x", description: "y".repeat(1024 * 1024) } })
      assert.strictEqual(large.status, 413)
      assert.match(large.json.detail, /1 MiB/)
      const long = yield* call("POST", "/agent", { user, body: { name: "x", data: { data: "y".repeat(300_000) } } })
      assert.strictEqual(long.status, 422)
      assert.strictEqual(long.json.errors[0].path, "data.data")
    }))

  it.effect("keep their key: the same request sent again is the same run, another file is another request", () =>
    Effect.gen(function*() {
      const { send, transcript } = yield* tenant()
      const bytes = png(200_000)
      const headers = { "idempotency-key": "k1" }
      const first = yield* send(content(block(bytes)), {}, headers)
      const second = yield* send(content(block(bytes)), {}, headers)
      assert.strictEqual(second.json.id, first.json.id)
      assert.lengthOf((yield* transcript).messages, 2)
      assert.strictEqual((yield* send(content(block(png(200_000))), {}, headers)).status, 422)
    }))

  it.effect("are taken in a client's tool results, which may have 4 MB of text", () =>
    Effect.gen(function*() {
      const { send, transcript, fetched } = yield* tenant()
      const tools = [{ name: "look" }]
      const parked = yield* send({ content: "call look {}\nthen\nsay done" }, { tools })
      const reply_id = parked.json.id
      const { id } = parked.json.content.find(({ type }: Block) => type === "tool_call")
      const result = (output: unknown) => ({
        type: "EXTERNAL_EXECUTION_RESULT",
        reply_id,
        execution_results: [{ id, output }]
      })
      const bad = yield* send(result([{ ...base64("not base64 at all"), id: "b" }]))
      assert.strictEqual(bad.status, 422, bad.text.slice(0, 300))
      assert.strictEqual(bad.json.errors[0].path, "input.execution_results.0.output.0.source.data")
      const long = yield* send(result("x".repeat(4 * 1024 * 1024 + 1)))
      assert.strictEqual(long.status, 422)
      assert.match(long.json.errors[0].path, /^input\.execution_results\.0\.output/)
      const bytes = png(2 * 1024 * 1024)
      // The demo model could not take so much; what counts is that it is stored and told.
      const text = "y".repeat(3 * 1024 * 1024)
      const output = [{ type: "text", id: "t", text }, { ...block(bytes), id: "d" }]
      const done = yield* send(result(output))
      assert.strictEqual(done.status, 200, done.text.slice(0, 300))
      const [, reply] = (yield* transcript).messages
      const answer = reply.content.find(({ type }: Block) => type === "tool_result")
      assert.strictEqual(answer.output[0].text.length, text.length)
      assert.strictEqual(answer.output[1].source.type, "url")
      assert.isTrue((yield* fetched(answer.output[1].source.url)).bytes.equals(bytes))
    }), patience(60_000))
})
