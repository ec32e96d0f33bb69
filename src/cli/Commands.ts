/** Everything that can be typed after `stoa`. `serve` is handed in, because it alone loads a whole server. */
import { Command } from "@effect/cli"
import { Effect } from "effect"
import { agents } from "./commands/agents.ts"
import { chat } from "./commands/chat.ts"
import { credentials } from "./commands/credentials.ts"
import { db } from "./commands/db.ts"
import { doctor } from "./commands/doctor.ts"
import { keys } from "./commands/keys.ts"
import { models } from "./commands/models.ts"
import { sessions } from "./commands/sessions.ts"
import { version } from "./commands/version.ts"

const stoa = Command.make("stoa").pipe(Command.withDescription("the open server where agents live"))

export const withServe = <R, E, A>(serve: Command.Command<"serve", R, E, A>) =>
  Command.withSubcommands(stoa, [serve, chat, agents, sessions, credentials, models, keys, db, doctor, version])

/** Stands for `serve` in lists of commands. */
export const serveStub = Command.make("serve", {}, () => Effect.void).pipe(Command.withDescription("Run the server"))
