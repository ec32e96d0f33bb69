/** Makes a project of one's own: definitions as files, a tool and a hook as code, and a test of them. */
import { Args, Command, Options } from "@effect/cli"
import { Effect } from "effect"
import { cwd } from "node:process"
import { output, print } from "../Output.ts"
import * as Project from "../Project.ts"

export const init = Command.make(
  "init",
  {
    name: Args.text({ name: "name" }).pipe(Args.withDescription("What the project and its folder are called")),
    package: Options.text("package").pipe(
      Options.withPseudoName("SPEC"),
      Options.withDescription(
        "From where npm installs Stoa there, such as file:../stoa-0.1.0.tgz (default: from where this one was installed)"
      ),
      Options.optional
    ),
    ...output
  },
  (options) =>
    Effect.gen(function*() {
      const { name } = options
      const { files, folder } = yield* Project.make(cwd(), name, options.package)
      yield* print(
        options.output,
        { name, folder, files },
        `Made ${name}:\n${files.map((file) => `  ${file}\n`).join("")}
Next:
  cd ${name}
  npm install
  npm start

Then, in another terminal:
  npm run chat -- helper "hello"
`
      )
    })
).pipe(Command.withDescription("Make a project: agents, a tool and a skill as files, code of your own, and tests"))
