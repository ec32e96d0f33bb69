/** The names under which models know the tools of MCP servers. */
import { createHash } from "node:crypto"

/** Tools of MCP servers begin with this, and no others do. */
const prefix = "mcp__"

/** Longest name that all providers take, in characters. */
const maxName = 64

const plain = (text: string) => text.replace(/[^A-Za-z0-9_-]/g, "_")

const mark = (server: string, tool: string) =>
  createHash("sha256").update(JSON.stringify([server, tool])).digest("hex").slice(0, 8)

/**
 * `mcp__<server>__<tool>`. Where that would be too long, or another server and tool could have the same, the name is
 * cut and ends with a mark of both.
 */
export const toolName = (server: string, tool: string): string => {
  const name = `${prefix}${plain(server)}__${plain(tool)}`
  const isOwn = plain(server) === server && plain(tool) === tool && !server.includes("__") && !server.endsWith("_") &&
    !tool.startsWith("_")
  return isOwn && name.length <= maxName ? name : `${name.slice(0, maxName - 9)}_${mark(server, tool)}`
}
