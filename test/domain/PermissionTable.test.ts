/** Every mode against every kind of rule and every kind of call. */
import { assert, describe, it } from "@effect/vitest"
import {
  addRules,
  type PermissionContext,
  permissionContext,
  type PermissionMode,
  type PermissionRule
} from "../../src/domain/Permission.ts"
import type { Call } from "../../src/domain/permission/Call.ts"
import { decide } from "../../src/domain/permission/Decide.ts"

const cwd = "/work"

const call = (name: string, args: object, more: Partial<Call> = {}): Call => ({
  name,
  input: JSON.stringify(args),
  effect: "write",
  own: true,
  ...more
})
const bash = (command: string) => call("Bash", { command })

/** One call of each kind, and a rule on its arguments that fits it. */
const calls = {
  "reads by its effect": [call("CurrentTime", {}, { effect: "read" }), null],
  "writes by its effect": [call("Pause", {}), null],
  "a client's, without effect": [call("Bash", { command: "rm -rf /" }, { effect: "none", own: false }), null],
  "a client's, with effect": [call("Bash", { command: "ls" }, { own: false }), null],
  "reads a file": [call("Read", { file_path: "/work/a" }), "/work/**"],
  "reads a secret": [call("Read", { file_path: ".env" }), "**"],
  "edits inside": [call("Write", { file_path: "src/a.ts" }), "src/**"],
  "edits outside": [call("Edit", { file_path: "/tmp/x/a.ts" }), "/tmp/x/**"],
  "edits a dangerous file": [call("Write", { file_path: ".git/hooks/pre-commit" }), "**"],
  "fetches": [call("WebFetch", { url: "https://docs.example.com/a" }), "domain:docs.example.com"],
  "shell: reads": [bash("ls -l | wc"), "ls:*"],
  "shell: edits inside": [bash("mkdir a"), "mkdir:*"],
  "shell: edits outside": [bash("mkdir /tmp/a"), "mkdir:*"],
  "shell: network": [bash("curl https://x.y"), "curl:*"],
  "shell: unknown": [bash("npm test"), "npm test:*"],
  "shell: dangerous": [bash("rm -rf /"), "rm:*"],
  "shell: unclear": [bash("echo 'x"), "echo 'x"]
} as const satisfies Record<string, readonly [Call, string | null]>
type Kind = keyof typeof calls

const modes = ["default", "accept_edits", "explore", "bypass", "dont_ask"] as const

/** A letter for each mode, in their order: a(llow), d(eny), ? for ask. */
type Letters = string

const free = "aaaaa"
const asked = "????d"
const askedUnlessExplore = "??d?d"

const table: Record<Kind, { readonly none: Letters; readonly allow: Letters; readonly ask: Letters }> = {
  "reads by its effect": { none: free, allow: free, ask: asked },
  "writes by its effect": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "a client's, without effect": { none: free, allow: free, ask: asked },
  "a client's, with effect": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "reads a file": { none: free, allow: free, ask: asked },
  "reads a secret": { none: asked, allow: asked, ask: asked },
  "edits inside": { none: "?adaa", allow: "aadaa", ask: askedUnlessExplore },
  "edits outside": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "edits a dangerous file": { none: askedUnlessExplore, allow: askedUnlessExplore, ask: askedUnlessExplore },
  "fetches": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "shell: reads": { none: free, allow: free, ask: asked },
  "shell: edits inside": { none: "?adaa", allow: "aadaa", ask: askedUnlessExplore },
  "shell: edits outside": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "shell: network": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "shell: unknown": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore },
  "shell: dangerous": { none: askedUnlessExplore, allow: askedUnlessExplore, ask: askedUnlessExplore },
  "shell: unclear": { none: "??dad", allow: "aadaa", ask: askedUnlessExplore }
}

const rule = (
  tool_name: string,
  behavior: PermissionRule["behavior"],
  rule_content: string | null
): PermissionRule => ({
  tool_name,
  rule_content,
  behavior,
  source: "user"
})

const of = (mode: PermissionMode, ...rules: ReadonlyArray<PermissionRule>): PermissionContext =>
  addRules(permissionContext(mode), rules)

const letters = (call: Call, ...rules: ReadonlyArray<PermissionRule>) =>
  modes.map((mode) => {
    const { decision } = decide(of(mode, ...rules), call, { cwd })
    return decision === "ask" ? "?" : decision[0]!
  }).join("")

describe("A call is decided as the table says, in each mode", () => {
  for (const [kind, [call, content]] of Object.entries(calls)) {
    const expected = table[kind as Kind]
    it(`${kind}: without rules, and with those that allow, ask and deny, on the tool and on its arguments`, () => {
      const { name } = call
      const contents = content === null ? [null] : [null, content]
      assert.strictEqual(letters(call), expected.none, "no rule")
      assert.strictEqual(letters(call, rule(name, "passthrough", null)), expected.none, "passthrough")
      for (const one of contents) {
        assert.strictEqual(letters(call, rule(name, "allow", one)), expected.allow, `allow ${one}`)
        assert.strictEqual(letters(call, rule(name, "ask", one)), expected.ask, `ask ${one}`)
        assert.strictEqual(
          letters(call, rule(name, "ask", one), rule(name, "allow", one)),
          expected.ask,
          `ask and allow ${one}`
        )
        assert.strictEqual(
          letters(call, rule(name, "deny", one), rule(name, "ask", one), rule(name, "allow", one)),
          "ddddd",
          `deny ${one}`
        )
      }
      assert.strictEqual(
        letters(call, rule("Other", "deny", null), rule("Other", "ask", null)),
        expected.none,
        "another tool's"
      )
    })
  }

  it("a confirmation answers what is asked, and neither deny rules nor the mode explore", () => {
    const confirmed = (mode: PermissionMode, call: Call, ...rules: ReadonlyArray<PermissionRule>) =>
      decide(of(mode, ...rules), call, { cwd, confirmed: true }).decision
    for (const [call] of Object.values(calls)) {
      for (const mode of ["default", "accept_edits", "bypass", "dont_ask"] as const) {
        assert.strictEqual(confirmed(mode, call), "allow")
        assert.strictEqual(confirmed(mode, call, rule(call.name, "ask", null)), "allow")
        assert.strictEqual(confirmed(mode, call, rule(call.name, "deny", null)), "deny")
      }
    }
    assert.strictEqual(confirmed("explore", bash("touch a")), "deny")
  })
})

const holds = (call: Call, behavior: "allow" | "deny" | "ask", content: string, tool = call.name) => {
  const rules = [rule(tool, behavior, content)]
  const { decision } = decide(of("default", ...rules), call, { cwd })
  return behavior === "allow" ? decision === "allow" : behavior === "deny" ? decision === "deny" : decision === "ask"
}

describe("A rule on arguments", () => {
  it("allows a command by its first words, and only whole words", () => {
    assert.isTrue(holds(bash("git commit -m x"), "allow", "git commit:*"))
    assert.isTrue(holds(bash("git commit -m \"$(cat <<'E'\nit's done\nE\n)\""), "allow", "git commit:*"))
    assert.isTrue(holds(bash("NODE_ENV=x timeout 5 npm test"), "allow", "npm test:*"))
    assert.isFalse(holds(bash("git commit-tree x"), "allow", "git commit:*"))
    assert.isFalse(holds(bash("git push $X"), "allow", "git push:*"))
    assert.isFalse(holds(bash("PATH=. npm test"), "allow", "npm test:*"))
    assert.isFalse(holds(bash("./npm test"), "allow", "npm test:*"))
    assert.isFalse(holds(bash("npm test > out"), "allow", "npm test:*"))
    assert.isFalse(holds(bash("sudo npm test"), "allow", "npm test:*"))
    assert.isFalse(holds(bash("sudo npm test"), "allow", "sudo:*"))
    assert.isTrue(holds(bash("sudo npm test"), "allow", "sudo npm test:*"))
    assert.isFalse(holds(bash("timeout 5 npm test"), "allow", "timeout:*"))
  })

  it("allows a compound only when each of its parts is allowed", () => {
    const both = [rule("Bash", "allow", "npm test:*"), rule("Bash", "allow", "make:*")]
    const decision = (command: string, ...rules: ReadonlyArray<PermissionRule>) =>
      decide(of("default", ...rules), bash(command), { cwd }).decision
    assert.strictEqual(decision("npm test && make all; ls", ...both), "allow")
    for (
      const command of [
        "npm test && make",
        "npm test | make",
        "echo $(npm test; make)",
        "(npm test; make)",
        "if npm test; then make; fi"
      ]
    ) {
      assert.strictEqual(decision(command, both[0]!), "ask", command)
      assert.strictEqual(decision(command, ...both), "allow", command)
      assert.strictEqual(decision(command, ...both, rule("Bash", "ask", "make:*")), "ask", command)
      assert.strictEqual(decision(command, ...both, rule("Bash", "deny", "make:*")), "deny", command)
    }
    assert.strictEqual(decision("npm test > out", both[0]!, rule("Write", "allow", "out")), "allow")
    assert.strictEqual(decision("npm test; x='", ...both), "ask")
    assert.strictEqual(decision("npm test; x='", rule("Bash", "allow", "npm test; x='")), "allow")
  })

  it("denies and asks wherever it may hold: in any part, inside of wrappers, quoted, and where nobody knows", () => {
    for (
      const command of [
        "rm a",
        "ls; rm a",
        "timeout 5 rm a",
        "sudo rm a",
        "r\\m a",
        "/bin/rm a",
        "/opt/rm a",
        "bash -c 'rm a'",
        "find . -exec rm {} +",
        "$X a",
        "$(echo rm) a",
        "echo 'x",
        "echo $(rm a)",
        "f() { rm a; }"
      ]
    ) {
      for (const content of ["rm:*", "rm *", "rm"]) {
        assert.isTrue(holds(bash(command), "deny", content), `${command} ${content}`)
      }
    }
    for (const command of ["ls", "echo rrr", "cat a | wc"]) {
      assert.isFalse(holds(bash(command), "deny", "rm:*"), command)
    }
    assert.isTrue(holds(bash("git $X"), "deny", "git push:*"))
    assert.isTrue(holds(bash("cat src/a"), "deny", "src/**", "Read"))
    assert.isTrue(holds(bash("cd src && cat a"), "deny", "src/*", "Read"))
    assert.isTrue(holds(bash("echo x > src/a"), "deny", "src/**", "Write"))
  })

  it("holds for paths from the working directory, however they are written", () => {
    const write = (file_path: string) => call("Write", { file_path })
    for (const path of ["src/a", "./src/a", "src/b/../a", "/work/src/a", "x/../src/a", "src//a"]) {
      assert.isTrue(holds(write(path), "allow", "src/*"), path)
      assert.isTrue(holds(write(path), "allow", "/work/src/**"), path)
      assert.isTrue(holds(write(path), "deny", "SRC/A"), path)
    }
    for (const path of ["src/../a", "src/../../etc/x", "srcs/a", "/src/a", "src/b/c", ".git/x", "~/src/a"]) {
      assert.isFalse(holds(write(path), "allow", "src/*"), path)
    }
    assert.isTrue(holds(write("a/b/secret.txt"), "deny", "secret.*"))
    assert.isFalse(holds(write("../a"), "allow", "../**"))
    assert.isTrue(holds(call("Write", {}), "deny", "src/**"))
    assert.isFalse(holds(call("Write", {}), "allow", "src/**"))
  })

  it("holds for domains", () => {
    const fetch = (url: string) => call("WebFetch", { url })
    assert.isTrue(holds(fetch("https://example.com/x"), "allow", "domain:example.com"))
    assert.isTrue(holds(fetch("https://EXAMPLE.com./x"), "allow", "example.com"))
    assert.isTrue(holds(fetch("https://a.example.com"), "allow", "*.example.com"))
    for (
      const url of [
        "https://a.example.com",
        "https://example.com.evil.org",
        "https://evil.org/example.com",
        "https://example.com@evil.org",
        "file:///example.com",
        "x",
        "https://u@example.com"
      ]
    ) {
      assert.isFalse(holds(fetch(url), "allow", "domain:example.com"), url)
    }
    assert.isTrue(holds(fetch("https://a.example.com"), "deny", "domain:example.com"))
    assert.isTrue(holds(fetch("not an address"), "deny", "domain:example.com"))
  })

  it("goes for all tools of a server by the server's name", () => {
    const tool = call("github__create_issue", {})
    const decision = (...rules: ReadonlyArray<PermissionRule>) => decide(of("default", ...rules), tool).decision
    assert.strictEqual(decision(rule("github__*", "allow", null)), "allow")
    assert.strictEqual(decision(rule("git__*", "allow", null)), "ask")
    assert.strictEqual(decision(rule("github__*", "deny", null), rule("github__create_issue", "allow", null)), "deny")
  })
})

const suggested = (call: Call, mode: PermissionMode = "default") => {
  const verdict = decide(of(mode), call, { cwd })
  return verdict.decision === "ask" ? verdict.suggested_rules : undefined
}

describe("The rules that are suggested", () => {
  const contents = (call: Call) =>
    suggested(call)?.map(({ rule_content, tool_name }) => `${tool_name}(${rule_content})`)

  it("fit the call, and are no broader than what they show", () => {
    assert.deepStrictEqual(contents(bash("git commit -m x")), ["Bash(git commit:*)"])
    assert.deepStrictEqual(contents(bash("npm run build -- --watch")), ["Bash(npm run build:*)"])
    assert.deepStrictEqual(contents(bash("pytest -x tests")), ["Bash(pytest:*)"])
    assert.deepStrictEqual(contents(bash("make && npm test > src/out.txt")), ["Bash(make && npm test > src/out.txt)"])
    assert.deepStrictEqual(contents(bash("make all && npm test > src/out.txt")), [
      "Bash(make all:*)",
      "Write(src/**)",
      "Bash(npm test:*)"
    ])
    assert.deepStrictEqual(contents(bash("rm a.txt")), ["Bash(rm a.txt)"])
    assert.deepStrictEqual(contents(bash("curl https://x.y")), ["Bash(curl https://x.y)"])
    assert.deepStrictEqual(contents(bash("python a.py")), ["Bash(python a.py)"])
    assert.deepStrictEqual(contents(call("Write", { file_path: "/tmp/x" })), ["Write(/tmp/**)"])
    assert.deepStrictEqual(contents(call("Write", { file_path: "src/lib/x" })), ["Write(src/lib/**)"])
    assert.deepStrictEqual(contents(call("Write", { file_path: "x" })), ["Write(x)"])
    assert.deepStrictEqual(contents(call("Write", { file_path: "/x" })), ["Write(/x)"])
    assert.deepStrictEqual(contents(call("WebFetch", { url: "https://a.b/c" })), ["WebFetch(domain:a.b)"])
    assert.deepStrictEqual(contents(call("Pause", {})), ["Pause(null)"])
  })

  it("are none for what is dangerous, unclear or asked about by a rule", () => {
    for (
      const one of [
        bash("rm -rf /"),
        bash("echo x > .git/config"),
        bash("echo 'x"),
        bash("$X a"),
        bash("ls\u202e; make x"),
        call("Write", { file_path: ".env" })
      ]
    ) {
      assert.deepStrictEqual(suggested(one), [])
    }
    const verdict = decide(of("default", rule("Pause", "ask", null)), call("Pause", {}))
    assert.deepStrictEqual(verdict, { decision: "ask", suggested_rules: [] })
  })

  it("allow the call when they are kept", () => {
    for (const [kind, [one]] of Object.entries(calls)) {
      const rules = suggested(one)
      if (rules === undefined || rules.length === 0) continue
      assert.strictEqual(decide(of("default", ...rules), one, { cwd }).decision, "allow", kind)
    }
  })
})
