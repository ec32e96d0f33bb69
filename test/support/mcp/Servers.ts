/** Ways to give the server of the tests to a workspace: as a program in it, and at an address. */
import { Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"
import type { McpServerDraft } from "../../../src/domain/McpServer.ts"
import * as Host from "../../../src/layers/Host.ts"
import * as WorkspaceLocal from "../../../src/layers/Workspace/Local.ts"
import { inFolder, options } from "../workspaces.ts"
import { atAddress } from "./Address.ts"

const program = fileURLToPath(new URL("program.mjs", import.meta.url))

/** A host in memory whose programs run without a sandbox. */
export const host = Host.over(Host.memory, { workspace: inFolder((dir) => WorkspaceLocal.layer({ ...options, dir })) })
  .pipe(Layer.fresh)

export const draftOf = (
  name: string,
  mcp_config: McpServerDraft["mcp_config"],
  more: Partial<McpServerDraft> = {}
): McpServerDraft => ({
  name,
  is_stateful: true,
  mcp_config,
  enable_tools: null,
  disable_tools: null,
  execution_timeout: null,
  ...more
})

export const programOf = (
  name: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> | null = null,
  more: Partial<McpServerDraft> = {}
): McpServerDraft =>
  draftOf(name, {
    type: "stdio_mcp",
    command: process.execPath,
    args: [program, ...args],
    env,
    cwd: null,
    encoding_error_handler: null
  }, more)

export const addressOf = (
  name: string,
  url: string,
  headers: Readonly<Record<string, string>> | null = null,
  more: Partial<McpServerDraft> = {}
): McpServerDraft => draftOf(name, { type: "http_mcp", url, headers, timeout: null, oauth: null }, more)

/** The server of the tests in a mode, by each transport. */
export const transports = {
  "as a program": (name: string, mode: string, more: Partial<McpServerDraft> = {}) =>
    Effect.succeed(programOf(name, [mode], null, more)),
  "at an address": (name: string, mode: string, more: Partial<McpServerDraft> = {}) =>
    Effect.map(atAddress(mode), ({ url }) => addressOf(name, url, null, more))
} as const
