/** Runs shell commands in the workspace. Folder and exported variables of a session go on from one call to the next. */
import { Duration, Effect, Schema, Stream } from "effect"
import { resultFile, sessionFolder } from "../../../domain/Workspace.ts"
import type { ToolCaller, WorkingFolder } from "../../../services/Toolbox.ts"
import { readUpTo, Workspace } from "../../../services/Workspace.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"
import { failed, homeOf, opened } from "./InWorkspace.ts"
import * as Spill from "./Spill.ts"

/** Longest command, in characters: Linux takes 128 KiB in one word. */
const maxCommand = 60_000

/** Time for a command, in milliseconds: when it says nothing, and at most. */
const usual = 120_000
const longest = 3_600_000

const maxOutput = 256 * 1024 * 1024

/**
 * Takes the variables that the session has exported, begins in the folder, runs the command, and keeps both as they are
 * then, unless another command has done so meanwhile: one that ends late, in the background, must not take the session back
 * to where it began. What the command has left running does not hold the call up for more than a second. A pipe in between makes
 * /dev/stdout and /dev/stderr files that can be opened.
 *   $1 the file that keeps the variables, $2 the folder, $3 the command, $4 the file that keeps the folder, $5 the session's folder
 */
const inner = `
[ -f "$1" ] && . "$1" 2>/dev/null
cd "$2" 2>/dev/null || { [ "$2" = "$5" ] && mkdir -p "$2" && cd "$2"; } || {
  rm -f "$4"
  echo "The folder $2 is not there any more. The next command begins in $5."
  exit 1
}
_stoa_state=$1 _stoa_folder=$4 _stoa_home=$5 _stoa_seen=$(stat -c %y "$1" 2>/dev/null)
trap '_stoa_code=$?; [ "$_stoa_seen" != "$(stat -c %y "$_stoa_state" 2>/dev/null)" ] || { export -p > "$_stoa_state.new" && mv -f "$_stoa_state.new" "$_stoa_state"; printf "%s\\n%s" "$_stoa_home" "$PWD" > "$_stoa_folder.new" && mv -f "$_stoa_folder.new" "$_stoa_folder"; } 2>/dev/null; exit $_stoa_code' EXIT
eval "$3"
`

const outer = `
mkdir -p "\${1%/*}"
# What sessions keep is not part of anybody's repository.
[ -e "\${1%/*/*}/.gitignore" ] || echo '*' > "\${1%/*/*}/.gitignore"
exec 3> >(exec cat)
_cat=$!
bash -c "$4" bash "$1" "$2" "$3" "\${1%/*}/folder" "$5" >&3 2>&3 3>&-
code=$?
exec 3>&-
for _ in $(seq 50); do kill -0 $_cat 2>/dev/null || break; sleep 0.02; done
exit $code
`

const whys: Readonly<Record<string, string>> = {
  memory: "The command was ended: it used more memory than it may have.",
  processes: "The command was ended: it had more processes than it may have.",
  disk: "The command was ended: the workspace has as many bytes or files as it may have. Delete what is not needed.",
  output: "The command was ended: it printed too much. Write long output into a file.",
  deleted: "The command was ended: the workspace has been deleted."
}

const sentence = (code: number | null, signal: string | null, ended: string | undefined, timeout: number) =>
  ended === "timeout"
    ? `The command did not end within ${timeout} ms and was ended.`
    : ended !== undefined
    ? whys[ended] ?? "The command was ended."
    : code === null
    ? `The command was killed (${signal ?? "no signal"}).`
    : `Exit code ${code}`

/** Longest kept folder, in bytes: two paths. */
const maxFolder = 8_192

/** Where the session's last command was in the end, unless that is gone or the session's own folder has been changed since. */
const keptFolder =
  (service: typeof Workspace.Service) => (caller: ToolCaller): Effect.Effect<WorkingFolder, ToolFailed> =>
    Effect.scoped(Effect.gen(function*() {
      const workspace = yield* opened(service, caller)
      const { home } = yield* homeOf(service)(caller)
      const file = `${workspace.root}/${sessionFolder(caller.session.id)}/folder`
      const kept = yield* Effect.orElseSucceed(readUpTo(workspace, file, maxFolder), () => Buffer.alloc(0))
      const [of, ...rest] = kept.toString("utf8").split("\n")
      const cwd = rest.join("\n")
      if (of !== home || cwd === "" || kept.length >= maxFolder) return { cwd: home, home }
      // It may be gone since, or outside of the workspace, where nothing stays.
      const isThere = yield* Effect.orElseSucceed(
        Effect.map(workspace.stat(cwd), ({ kind }) => kind === "directory"),
        () => false
      )
      return { cwd: isThere ? cwd : home, home }
    }))

export const bash = Effect.map(Workspace, (service) =>
  define({
    name: "Bash",
    description:
      "Runs a bash command in the workspace and gives back what it prints. The folder and exported variables go "
      + "on in the next call; background processes and files in /tmp do not. There is no network. Prefer Read, Write, "
      + "Edit, Glob and Grep for files.",
    folderOf: keptFolder(service),
    effect: "write",
    idempotent: false,
    onRequest: true,
    parameters: Schema.Struct({
      command: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxCommand)),
      description: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(1_000)), { exact: true }).annotations({
        description: "What the command does, in a few words."
      }),
      timeout: Schema.optionalWith(Schema.Number.pipe(Schema.between(1, longest)), {
        exact: true,
        default: () => usual
      })
        .annotations({ description: `Longest time in milliseconds; ${usual} when left out.` })
    }),
    run: Effect.fnUntraced(function*({ command, timeout }, caller, io) {
      const workspace = yield* opened(service, caller)
      const { cwd, home } = caller.folder ?? (yield* keptFolder(service)(caller))
      const state = `${workspace.root}/${sessionFolder(caller.session.id)}/shell.sh`
      const program = yield* failed(workspace.spawn({
        argv: ["bash", "-c", outer, "bash", state, cwd, command, inner, home],
        timeout: Duration.millis(timeout),
        maxOutput
      }))
      yield* program.endInput
      const spill = yield* Spill.make(workspace, resultFile(caller.session.id, io.call.id), io)
      yield* Stream.runForEach(Stream.merge(program.stdout, program.stderr), spill.take)
      const { code, ended, signal } = yield* program.exit
      const note = yield* spill.end
      const words = [note, code === 0 && ended === undefined ? undefined : sentence(code, signal, ended, timeout)]
        .filter((word) => word !== undefined).join("\n")
      const last = words === "" ? "" : `\n${words}`
      return code === 0 && ended === undefined ? last : yield* new ToolFailed({ message: last })
    })
  }))
