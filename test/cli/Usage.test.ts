import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { noSum } from "../../src/domain/UsageReport.ts"
import { stoa } from "./Desk.ts"
import { fakeServer, json } from "./FakeServer.ts"

const report = (usage: ReadonlyArray<object>, next_cursor: string | null = null) => ({
  from: "2026-01-01T00:00:00.000Z",
  to: "2026-01-31T00:00:00.000Z",
  group_by: ["day", "model"],
  usage,
  totals: { ...noSum, calls: 12, errors: 1, input_tokens: 3000, cost: 1.5 },
  next_cursor
})

const row = (day: string, model: string, calls: number) => ({ day, model, ...noSum, calls, cost: 0.000_25 })

const server = fakeServer(({ path }) =>
  path.includes("cursor=more")
    ? json(report([row("2026-01-03", "demo-chat", 3)]))
    : json(report([row("2026-01-02", "demo-chat", 4), row("2026-01-02", "gpt", 5)], "more"))
)

describe("usage", () => {
  it.scopedLive("prints the groups of all pages and what they come to", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* server
      const { code, err, out } = yield* stoa({}, "usage", "--by", "model,day", "--since", "2026-01-01", "--url", url)
      assert.deepStrictEqual([code, err], [0, ""])
      assert.deepStrictEqual(out.split("\n").map((line) => line.trimEnd().replace(/ {2,}/g, " | ")), [
        "DAY | MODEL | CALLS | ERRORS | INPUT | CACHED | OUTPUT | REASONING | COST",
        "2026-01-02 | demo-chat | 4 | 0 | 0 | 0 | 0 | 0 | $0.000250",
        "2026-01-02 | gpt | 5 | 0 | 0 | 0 | 0 | 0 | $0.000250",
        "2026-01-03 | demo-chat | 3 | 0 | 0 | 0 | 0 | 0 | $0.000250",
        "total | - | 12 | 1 | 3000 | 0 | 0 | 0 | $1.50",
        ""
      ])
      assert.isTrue(lines().every((line) => line.includes("group_by=day%2Cmodel")))
      assert.include(lines()[0], "from=2026-01-01&")
      assert.include(lines()[1], "from=2026-01-01T00%3A00%3A00.000Z")
    }))

  it.scopedLive("is the whole report as JSON, and a line for each group as NDJSON", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const whole = JSON.parse((yield* stoa({}, "usage", "-o", "json", "--url", url)).out)
      assert.strictEqual(whole.usage.length, 3)
      assert.deepInclude(whole.totals, { calls: 12 })
      const { out } = yield* stoa({}, "usage", "-o", "ndjson", "--limit", "2", "--url", url)
      assert.deepStrictEqual(out.trimEnd().split("\n").map((line) => JSON.parse(line).calls), [4, 5])
    }))

  it.scopedLive("takes days and hours back from now, and says what else is wrong before it asks", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* server
      yield* stoa({}, "usage", "--since", "7d", "--until", "12h", "--url", url)
      const params = new URL(lines()[0]!.slice(4), url).searchParams
      const [from, to] = [Date.parse(params.get("from")!), Date.parse(params.get("to")!)]
      assert.approximately(to - from, 6.5 * 86_400_000, 60_000)
      const before = lines().length
      for (const wrong of [["--by", "colour"], ["--by", "day,day"], ["--since", "7 days"]]) {
        const { code, err } = yield* stoa({}, "usage", ...wrong, "--url", url)
        assert.notStrictEqual(code, 0)
        assert.match(err, /^stoa: [^\n]+\n$/)
      }
      assert.strictEqual(lines().length, before)
    }))

  it.scopedLive("of all tenants is by user, for who asks for it with an admin's key", () =>
    Effect.gen(function*() {
      const { asked, lines, url } = yield* fakeServer(() =>
        json({ ...report([{ user_id: "ada", ...noSum, calls: 7 }]), group_by: ["user"] })
      )
      const { code, err, out } = yield* stoa(
        {},
        "usage",
        "--all-tenants",
        "--tenant",
        "ada",
        "--key",
        "stoa_admin",
        "--url",
        url
      )
      assert.deepStrictEqual([code, err], [0, ""])
      assert.deepStrictEqual(out.split("\n").map((line) => line.trimEnd().replace(/ {2,}/g, " | ")).slice(0, 2), [
        "USER | CALLS | ERRORS | INPUT | CACHED | OUTPUT | REASONING | COST",
        "ada | 7 | 0 | 0 | 0 | 0 | 0 | -"
      ])
      assert.include(lines()[0], "GET /admin/usage?")
      assert.include(lines()[0], "user_id=ada")
      assert.strictEqual(asked[0]!.headers.authorization, "Bearer stoa_admin")
      const before = lines().length
      for (const wrong of [["--by", "user"], ["--tenant", "ada"]]) {
        const { code, err } = yield* stoa({}, "usage", ...wrong, "--url", url)
        assert.notStrictEqual(code, 0)
        assert.match(err, /^stoa: [^\n]+\n$/)
      }
      assert.strictEqual(lines().length, before)
    }))
})

describe("tenants", () => {
  const tenant = (user_id: string) => ({
    user_id,
    agents: 1,
    credentials: 2,
    sessions: 3,
    runs: 4,
    keys: 0,
    last_active_at: "2026-01-31T09:30:00.000Z",
    usage: { ...noSum, calls: 4, input_tokens: 10, output_tokens: 20, cost: 0.5 }
  })

  it.scopedLive("are listed over all pages, with what they have and what it cost", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer(({ path }) => {
        const [tenants, next_cursor] = path.includes("cursor=more")
          ? [[tenant("bob")], null]
          : [[tenant("ada")], "more"]
        return json({ from: "2026-01-01T00:00:00.000Z", to: "2026-02-01T00:00:00.000Z", tenants, next_cursor })
      })
      const { code, err, out } = yield* stoa({}, "tenants", "--since", "2026-01-01", "--url", url)
      assert.deepStrictEqual([code, err], [0, ""])
      const rows = out.trimEnd().split("\n").map((line) => line.trimEnd().split(/ {2,}/))
      assert.deepStrictEqual(rows[0], [
        "USER",
        "AGENTS",
        "SESSIONS",
        "RUNS",
        "KEYS",
        "LAST ACTIVE",
        "CALLS",
        "INPUT",
        "OUTPUT",
        "COST"
      ])
      assert.deepStrictEqual(rows.slice(1).map(([user, ...more]) => [user, more.at(-1)]), [["ada", "$0.500000"], [
        "bob",
        "$0.500000"
      ]])
      assert.include(lines()[0], "from=2026-01-01")
    }))
})
