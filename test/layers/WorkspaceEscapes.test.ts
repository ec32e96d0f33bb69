/** Attempts to get out of a workspace: through the server's own functions, and as a program in the sandbox. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, type Either } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import { freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { fresh, inFolder, isSandboxed, limits, options, put, sh, someOf, text } from "../support/workspaces.ts"

/** What nobody inside may ever see. */
const secret = `host-secret-${process.pid}`
const outside = mkdtempSync(join(tmpdir(), "stoa-outside-"))
writeFileSync(join(outside, "secret"), secret)
process.env["STOA_TEST_SECRET"] = secret
process.on("exit", () => rmSync(outside, { recursive: true, force: true }))

const failed = <A>(outcome: Either.Either<A, { readonly _tag: string }>, what: string) =>
  assert.strictEqual(outcome._tag, "Left", what)

/** Where links of hostile programs lead. */
const targets: Readonly<Record<string, string>> = {
  absolute: join(outside, "secret"),
  passwd: "/etc/passwd",
  up: "../../../../../../../../etc/passwd",
  environ: "/proc/self/environ",
  cwd: "/proc/self/cwd/package.json",
  root: "/proc/self/root/etc/passwd",
  descriptor: "/proc/self/fd/0",
  parent: "..",
  "parent's parent": "../..",
  slash: "/",
  etc: "/etc",
  folder: outside,
  device: "/dev/zero",
  loop: "loop",
  chain: "chain2",
  chain2: "/workspace/chain3",
  chain3: "../workspace/../etc/passwd",
  almost: "/workspacex",
  inside: "/workspace/../etc/passwd"
}

/** [what, script, whether what it printed shows that it stayed inside] */
type Attempt = readonly [string, string, (out: string, code: number | null) => boolean]

const fails = (_: string, code: number | null) => code !== 0
const prints = (expected: string) => (out: string) => out.trim() === expected
const isSilent = (out: string) => out.trim() === ""

const programs: Readonly<Record<string, ReadonlyArray<Attempt>>> = {
  "the machine's files": [
    ["shadow", "cat /etc/shadow", fails],
    ["the users of this machine", "grep -c . /etc/passwd", prints("1")],
    ["home folders", "ls -A /root /home", fails],
    ["the data of the server", `cat ${join(outside, "secret")}`, fails],
    ["temporary files of others", "ls -A /tmp", isSilent],
    ["sockets of services", "ls -A /run /var/run", fails],
    ["disks", "ls /dev | grep -E '^(sd|vd|nvme|loop|mem|kmsg|kvm|fuse)'", isSilent],
    ["making a device", "mknod d b 8 0 || mknod d c 1 1", fails],
    ["mounting", "mount -t tmpfs none /tmp || mount --bind / /tmp", fails],
    ["undoing a mount", "umount /usr || umount /workspace", fails],
    ["system programs", "touch /usr/bin/x || echo x >> /bin/sh", fails],
    ["the root", "touch /x /etc/x /dev/x || mkdir /y", fails],
    ["out of the root", "cd /workspace/../../../..; ls | grep -cE '^(root|home|srv|boot|mnt|work)$'", prints("0")],
    ["chroot", "chroot / id", fails],
    ["the parent of the workspace", "ls -A /workspace/.. | grep -c owners", prints("0")]
  ],
  "the kernel's files": [
    ["core_pattern", "echo '|/bin/sh' > /proc/sys/kernel/core_pattern", fails],
    ["sysctl", "for f in $(find /proc/sys -type f -writable 2>/dev/null); do echo $f; done", isSilent],
    ["sysrq", "echo h > /proc/sysrq-trigger", fails],
    ["the root of process 1", `cat /proc/1/root${join(outside, "secret")}`, fails],
    ["the folder of process 1", "cat /proc/1/cwd/package.json", fails],
    ["other processes", "ls /proc | grep -cE '^[0-9]+$' | awk '{ print ($1 < 10) }'", prints("1")],
    ["the server's environment", "cat /proc/*/environ | tr '\\0' '\\n' | grep -c SECRET", prints("0")],
    ["the server's words", "tr '\\0' ' ' < /proc/1/cmdline | grep -c '[/]owners/'", prints("0")],
    ["kernel memory", "head -c 1 /proc/kcore; head -c 1 /dev/mem", isSilent],
    ["its own limits", "echo 0 > /proc/self/oom_score_adj; echo 0 > /proc/self/uid_map", fails],
    ["sys", "ls /sys/class", fails],
    ["control groups", "mkdir /sys/fs/cgroup/x", fails]
  ],
  "rights": [
    ["capabilities", "grep -E '^Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | grep -vc 0000000000000000", prints("0")],
    ["new rights", "grep NoNewPrivs /proc/self/status | cut -f 2", prints("1")],
    ["su", "id -u", prints("1000")],
    ["a user namespace", "unshare -U true", fails],
    ["a mount namespace", "unshare -m true", fails],
    ["another namespace", "nsenter -t 1 -a true", fails],
    ["setuid", "cp /bin/id ./id && chmod 4777 id && ./id -u", prints("1000")],
    ["another owner", "touch f && chown 0 f", fails],
    ["the host's name", "hostname evil", fails],
    ["the clock", "date -s 2000-01-01", fails],
    ["the schedule", "renice -n -20 $$", fails]
  ],
  "signals": [
    ["process 1", "kill -9 1; echo alive", prints("alive")],
    ["all", "kill -9 -1; echo alive", prints("alive")],
    ["the server", `kill -9 ${process.pid} ${process.ppid}`, fails],
    ["its group", "kill -9 0", fails]
  ],
  "descriptors and environment": [
    ["open files", "ls /proc/self/fd | tr '\\n' ' '", prints("0 1 2 3")],
    [
      "variables",
      "env | cut -d = -f 1 | grep -vE '^(PATH|HOME|USER|LOGNAME|LANG|TERM|TMPDIR|PWD|OLDPWD|SHLVL|PORT|_)$'",
      isSilent
    ],
    ["the terminal", "echo x > /dev/tty", fails],
    ["a secret anywhere", "env; set; cat /proc/self/environ", (out) => !out.includes(secret)]
  ],
  "the network": [
    ["interfaces", "grep -vc -E 'lo:|Inter|face' /proc/net/dev", prints("0")],
    ["the server on loopback", "exec 3<>/dev/tcp/127.0.0.1/$PORT && echo there", fails],
    ["an address", "exec 3<>/dev/tcp/1.1.1.1/53", fails],
    ["a name", "getent hosts example.com", fails],
    ["routes", "tail -n +2 /proc/net/route", isSilent],
    ["abstract sockets", "grep -c @ /proc/net/unix", prints("0")]
  ],
  "more than there is": [
    // As many as a bomb would make in a moment, and no more: where the limit fails the machine goes on. Who counts them needs
    // no process of its own, and waits until the bomb has gone off.
    [
      "as many processes as a fork bomb makes",
      `[ "$(ulimit -u)" = 64 ] || exit 1
      mkfifo /tmp/clock; exec 3<>/tmp/clock
      { for i in $(seq 300); do sleep 60 & done; } 2>/dev/null &
      most=0; left=300
      while [ $((left -= 1)) -gt 0 ]; do
        set -- /proc/[0-9]*
        [ $# -gt $most ] && most=$#
        [ $most -ge 60 ] && [ $left -gt 10 ] && left=10
        read -rt 0.1 -u 3
      done
      echo $most`,
      (out) => Number(out) >= 60 && Number(out) < 70
    ],
    ["memory in one process", "head -c 2000000000 /dev/zero | tail | wc -c", () => true],
    [
      "memory in many",
      "for i in 1 2 3 4 5 6; do head -c 300000000 /dev/zero | tail -c 300000000 | sleep 3 & done; wait",
      () => true
    ],
    ["memory in /tmp", "head -c 400000000 /dev/zero > /tmp/x", fails],
    ["memory in /dev/shm", "head -c 100000000 /dev/zero > /dev/shm/x", fails],
    ["one file", "head -c 100000000 /dev/zero > big", fails],
    ["open files", "ulimit -n", prints("1024")],
    ["core files", "ulimit -c", prints("0")],
    ["higher limits", "ulimit -u 100000 || ulimit -f unlimited || ulimit -t unlimited", fails],
    ["processor time", "ulimit -t", prints(String(limits.cpuSeconds))]
  ]
}

describe.skipIf(!isSandboxed)("In the sandbox", () => {
  layer(inFolder((dir) => Bubblewrap.layer({ ...options, dir })), {
    timeout: patience(60_000),
    excludeTestServices: true
  })("Escapes from a workspace", (it) => {
    for (const [what, target] of Object.entries(targets)) {
      it.scoped(`no function follows a link to ${what}`, () =>
        Effect.gen(function*() {
          const w = yield* fresh()
          yield* sh(w, `${Object.entries(targets).map(([name, to]) => `ln -s '${to}' "${name}"`).join(";")}`)
          assert.strictEqual((yield* w.list("", 100)).entries.length, Object.keys(targets).length)
          for (const path of [what, `${what}/`, `${what}/secret`, `${what}/passwd`, `${what}/etc/passwd`]) {
            failed(yield* Effect.either(text(w, path)), `read ${path}`)
            failed(yield* Effect.either(put(w, `${path}/stoa-escape`, secret)), `write below ${path}`)
            failed(yield* Effect.either(w.stat(path)), `stat ${path}`)
            failed(yield* Effect.either(w.list(path, 10)), `list ${path}`)
            failed(yield* Effect.either(w.modify(path, Effect.succeed)), `modify ${path}`)
          }
          failed(yield* Effect.either(put(w, what, secret)), `write ${target}`)
          failed(yield* Effect.either(sh(w, "true", { cwd: what })), `run in ${target}`)
          // The link itself goes, and not what it leads to.
          yield* w.remove(what)
          assert.deepStrictEqual(readdirSync(outside), ["secret"])
          assert.strictEqual(readFileSync(join(outside, "secret"), "utf8"), secret)
          assert.isTrue(existsSync("/etc/passwd"))
        }))
    }

    it.scoped("links within the workspace lead where they say", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        yield* sh(w, "mkdir -p a/b; echo inside > a/f; ln -s ../f a/b/one; ln -s /workspace/a/b two; ln -s a three")
        for (const path of ["a/b/one", "two/one", "three/b/one", "two/../a/f"]) {
          assert.strictEqual(yield* text(w, path), "inside\n", path)
        }
        yield* put(w, "two/one", "changed")
        assert.strictEqual(yield* text(w, "a/f"), "changed")
        assert.strictEqual((yield* sh(w, "readlink a/b/one")).out, "../f\n")
      }))

    it.scoped("no function waits for a FIFO or touches a socket or a device, not even when a file turns into one", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const script =
          "mkfifo fifo; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => q(socket), Listen => 1)'; "
          + "ln -s fifo link; mkdir d; mkfifo d/x"
        yield* sh(w, script)
        for (const path of ["fifo", "socket", "link", "d/x"]) {
          failed(yield* Effect.either(text(w, path)), `read ${path}`)
          failed(yield* Effect.either(put(w, path, "x")), `write ${path}`)
          failed(yield* Effect.either(w.modify(path, Effect.succeed)), `modify ${path}`)
        }
        yield* w.spawn({
          argv: ["/bin/bash", "-c", "while :; do rm -f x; mkfifo x; rm x; echo file > x; done"]
        })
        for (let i = 0; i < 200; i++) yield* Effect.either(text(w, "x"))
      }))

    it.scoped("no race of a folder with a link lets the server read, write, list or remove outside", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const flip = `mkdir -p real/in; echo fine > real/secret; ln -s ${outside} evil; `
          + "while :; do mv -T real x; mv -T x real; mv -T evil x; mv -T x evil; done"
        yield* w.spawn({ argv: ["/bin/bash", "-c", flip], cwd: "" })
        const seen = new Set<string>()
        for (let i = 0; i < 150; i++) {
          const read = yield* Effect.either(text(w, "x/secret"))
          seen.add(read._tag === "Right" ? read.right : read.left._tag)
          yield* Effect.either(put(w, `x/escaped${i}`, "x"))
          yield* Effect.either(put(w, `x/in/escaped${i}`, "x"))
          const listed = yield* Effect.either(w.list("x", 10))
          if (listed._tag === "Right") {
            assert.isFalse(listed.right.entries.length === 1 && listed.right.entries[0]!.name === "secret")
          }
          yield* Effect.either(w.remove(`x/escaped${i}`))
          yield* Effect.either(w.remove("x/secret/nothing"))
        }
        assert.isFalse(seen.has(secret))
        assert.deepStrictEqual(readdirSync(outside), ["secret"])
      }))

    it.scoped("a sparse file of 10 GB is listed, read in ranges, and too large to be changed", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        // The limit of one file's size is a program's, so the file is made small and grows by holes up to it.
        yield* sh(w, "truncate -s 30M big; printf end >> big || true")
        const file = yield* w.open("big")
        assert.strictEqual((yield* file.read(file.size - 1, 10)).length, 1)
        failed(yield* Effect.either(w.modify("big", Effect.succeed)), "modify")
      }))

    it.scoped("a program's workspace is not another's", () =>
      Effect.gen(function*() {
        const [one, other] = [yield* fresh(freshOwner(), someOf("a")), yield* fresh(freshOwner(), someOf("a"))]
        yield* put(one, "mine", secret)
        assert.notInclude(
          (yield* sh(other, "ls -A; find / -name mine -not -path '/proc/*' 2>/dev/null; cat mine")).out,
          "mine"
        )
      }))

    const port = Effect.acquireRelease(
      Effect.async<readonly [number, ReturnType<typeof createServer>]>((resume) => {
        const server = createServer((socket) => socket.destroy())
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed([typeof address === "object" && address !== null ? address.port : 0, server]))
        })
      }),
      ([, server]) => Effect.sync(() => server.close())
    )

    for (const [what, attempts] of Object.entries(programs)) {
      it.scoped(`a program in the sandbox does not get at ${what} (${attempts.length} attempts)`, () =>
        Effect.gen(function*() {
          const [number] = yield* port
          yield* Effect.forEach(attempts, ([name, script, isInside]) =>
            Effect.gen(function*() {
              const w = yield* fresh()
              const ran = yield* sh(w, "", { argv: ["/bin/bash", "-c", script], env: { PORT: String(number) } })
              assert.isTrue(
                isInside(ran.out, ran.code),
                `${name}: ${ran.code} ${ran.out.slice(0, 300)} ${ran.err.slice(0, 300)}`
              )
              assert.notInclude(ran.out, secret, name)
            }), { concurrency: 3, discard: true })
        }))
    }

    it.effect("after all that nothing is left running", () =>
      Effect.sync(() => {
        const all = execFileSync("ps", ["-eo", "ppid,args"], { encoding: "utf8" }).split("\n")
        assert.deepStrictEqual(
          all.filter((line) => Number.parseInt(line, 10) === process.pid && line.includes("bwrap")),
          []
        )
      }))
  })
})
