/** As which client the server is logged in to: one that the tenant has registered, or one that describes itself. */
import type { StoredOAuthClientInformation } from "@modelcontextprotocol/client"
import type { McpSecrets, StoredMcpConfig } from "../../../domain/McpConfig.ts"
import type { McpCallback } from "../../../services/Mcp.ts"

export interface Asked {
  readonly url: string
  readonly config: Extract<StoredMcpConfig, { readonly type: "http_mcp" }>
  readonly secrets: McpSecrets
}

/**
 * A client that the tenant has registered. Its secret is for one authorization server: that which the tenant names, else
 * that which it was used with before. The official client tells it to no other that the MCP server may name one day.
 */
export const registered = (
  { config, secrets }: Asked,
  before: StoredOAuthClientInformation | undefined
): StoredOAuthClientInformation | undefined => {
  if (config.oauth === undefined) return undefined
  const issuer = config.oauth.issuer ?? before?.issuer
  return {
    client_id: config.oauth.client_id,
    ...(secrets.client_secret !== undefined && { client_secret: secrets.client_secret }),
    ...(issuer !== undefined && { issuer })
  }
}

export const metadataOf = (redirect: string) => ({
  client_name: "Stoa",
  redirect_uris: [redirect],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"]
})

/** The document that authorization servers read which know clients by an address. */
export const documentOf = ({ metadata, redirect }: McpCallback) => ({
  client_id: metadata,
  ...metadataOf(redirect),
  token_endpoint_auth_method: "none"
})

/** A client that is bound to no authorization server yet belongs to that which it is asked for first. */
export const boundTo = (
  client: StoredOAuthClientInformation | undefined,
  context: { readonly issuer: string } | undefined
): StoredOAuthClientInformation | undefined =>
  client === undefined || client.issuer !== undefined || context === undefined
    ? client
    : { ...client, issuer: context.issuer }
