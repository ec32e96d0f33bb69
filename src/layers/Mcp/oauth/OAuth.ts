/** OAuth for servers at addresses, by the official client: where to ask, and for what. It stores nothing. */
import type {
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens
} from "@modelcontextprotocol/client"
import type { McpCallback } from "../../../services/Mcp.ts"
import type { Outbound } from "../../../services/Outbound.ts"
import type { Sdk } from "../Client.ts"
import * as GuardedFetch from "./GuardedFetch.ts"
import { type Asked, boundTo, metadataOf, registered } from "./OAuthClient.ts"

/** What is known after an authorization, and what is needed to renew it. */
export interface Granted {
  readonly tokens: StoredOAuthTokens
  readonly client: StoredOAuthClientInformation
  readonly discovery: OAuthDiscoveryState
  readonly resource: string | undefined
}

/** What must be remembered until the person comes back. */
export interface Attempt {
  readonly client: StoredOAuthClientInformation
  readonly discovery: OAuthDiscoveryState
  readonly resource: string | undefined
  readonly verifier: string
  readonly redirect: string
}

/** What a server says when it lets nobody in. */
export interface Challenge {
  readonly resourceMetadataUrl?: URL | undefined
  readonly scope?: string | undefined
}

const unused = () => {
  throw new TypeError("This is not part of the flow.")
}

export const make = (sdk: Sdk, outbound: typeof Outbound.Service) => {
  const fetchFn = GuardedFetch.make(outbound)

  /** What the server asks for, when it is called without anything. */
  const challengeOf = async (url: string): Promise<Challenge> => {
    const response = await fetchFn(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "ping" })
    })
    return response.status === 401 ? sdk.extractWWWAuthenticateParams(response) : {}
  }

  return {
    /** Whether the server says how it is logged in to. */
    isOffered: async (url: string): Promise<boolean> => {
      const { resourceMetadataUrl } = await challengeOf(url)
      const found = await sdk.discoverOAuthServerInfo(url, {
        fetchFn,
        ...(resourceMetadataUrl !== undefined && { resourceMetadataUrl })
      })
      return found.authorizationServerMetadata !== undefined || found.resourceMetadata !== undefined
    },

    /** Finds out whom to ask, registers where that is needed, and answers what a person opens. */
    begin: async (
      asked: Asked,
      { metadata, redirect }: McpCallback,
      state: string,
      wanted: {
        readonly scope: string | undefined
        readonly attempt?: Attempt | undefined
        readonly granted?: Granted | undefined
      }
    ): Promise<{ readonly url: string; readonly attempt: Attempt }> => {
      const challenge = await challengeOf(asked.url)
      const own = registered(asked, wanted.granted?.client)
      // A client was registered for one place to return to.
      let client = own ?? (wanted.attempt?.redirect === redirect ? wanted.attempt.client : undefined)
      let discovery: OAuthDiscoveryState | undefined
      let resource: string | undefined
      let verifier = ""
      let url: URL | undefined
      const provider: OAuthClientProvider = {
        redirectUrl: redirect,
        ...(metadata.startsWith("https:") && { clientMetadataUrl: metadata }),
        clientMetadata: metadataOf(redirect),
        state: () => state,
        clientInformation: (context) => (client = boundTo(client, context)),
        // Without it nobody registers another client in the place of the tenant's own.
        ...(own === undefined && {
          saveClientInformation: (saved) => {
            client = saved
          }
        }),
        // Whoever begins wants other tokens than those that there are.
        tokens: () => undefined,
        saveTokens: unused,
        redirectToAuthorization: (to) => {
          url = to
        },
        saveCodeVerifier: (saved) => {
          verifier = saved
        },
        codeVerifier: unused,
        saveResourceUrl: (saved) => {
          resource = saved
        },
        saveDiscoveryState: (saved) => {
          discovery = saved
        }
      }
      const scope = sdk.computeScopeUnion(wanted.scope, challenge.scope, asked.config.oauth?.scope ?? undefined)
      await sdk.auth(provider, {
        serverUrl: asked.url,
        fetchFn,
        ...(scope !== undefined && { scope }),
        ...(challenge.resourceMetadataUrl !== undefined && { resourceMetadataUrl: challenge.resourceMetadataUrl })
      })
      if (url === undefined || client === undefined || discovery === undefined || !/^https?:$/.test(url.protocol)) {
        throw new TypeError("The authorization server gave no address.")
      }
      return { url: url.href, attempt: { client, discovery, resource, verifier, redirect } }
    },

    /** Changes the code that the person came back with into tokens. */
    finish: async (
      { url }: Asked,
      { client, discovery, redirect, resource, verifier }: Attempt,
      back: { readonly code: string; readonly iss: string | undefined }
    ): Promise<Granted> => {
      let tokens: StoredOAuthTokens | undefined
      await sdk.auth({
        redirectUrl: redirect,
        clientMetadata: metadataOf(redirect),
        clientInformation: () => client,
        saveClientInformation: () => {},
        tokens: () => undefined,
        saveTokens: (saved) => {
          tokens = saved
        },
        redirectToAuthorization: unused,
        saveCodeVerifier: unused,
        codeVerifier: () => verifier,
        discoveryState: () => discovery,
        saveDiscoveryState: () => {}
      }, {
        serverUrl: url,
        authorizationCode: back.code,
        fetchFn,
        ...(back.iss !== undefined && { iss: back.iss })
      })
      if (tokens === undefined) throw new TypeError("The authorization server gave no tokens.")
      return { tokens, client, discovery, resource }
    },

    /** Tokens for the client itself, which no person has to allow. */
    obtain: async (asked: Asked, before: Granted | undefined): Promise<Granted> => {
      let client = registered(asked, before?.client)
      const challenge = await challengeOf(asked.url)
      let tokens: StoredOAuthTokens | undefined
      let discovery: OAuthDiscoveryState | undefined
      let resource: string | undefined
      await sdk.auth({
        redirectUrl: undefined,
        clientMetadata: { client_name: "Stoa", redirect_uris: [], grant_types: ["client_credentials"] },
        clientInformation: (context) => (client = boundTo(client, context)),
        tokens: () => undefined,
        saveTokens: (saved) => {
          tokens = saved
        },
        redirectToAuthorization: unused,
        saveCodeVerifier: unused,
        codeVerifier: unused,
        prepareTokenRequest: (scope) => {
          const params = new URLSearchParams({ grant_type: "client_credentials" })
          if (scope !== undefined) params.set("scope", scope)
          return params
        },
        saveResourceUrl: (saved) => {
          resource = saved
        },
        saveDiscoveryState: (saved) => {
          discovery = saved
        }
      }, {
        serverUrl: asked.url,
        fetchFn,
        ...(asked.config.oauth?.scope != null && { scope: asked.config.oauth.scope }),
        ...(challenge.resourceMetadataUrl !== undefined && { resourceMetadataUrl: challenge.resourceMetadataUrl })
      })
      if (tokens === undefined || client === undefined || discovery === undefined) {
        throw new TypeError("The authorization server gave no tokens.")
      }
      return { tokens, client, discovery, resource }
    },

    refresh: async ({ client, discovery, resource, tokens }: Granted): Promise<Granted> => {
      const metadata = discovery.authorizationServerMetadata
      const fresh = await sdk.refreshAuthorization(discovery.authorizationServerUrl, {
        ...(metadata !== undefined && { metadata }),
        clientInformation: client,
        refreshToken: tokens.refresh_token ?? "",
        ...(resource !== undefined && { resource }),
        fetchFn
      })
      // Who gives no other refresh token leaves the one that there is.
      return { client, discovery, resource, tokens: { ...tokens, ...fresh } }
    },

    /** Tells the authorization server that the tokens are not used any more, if it wants to know. */
    revoke: async ({ client, discovery, tokens }: Granted): Promise<void> => {
      const metadata: Readonly<Record<string, unknown>> = { ...discovery.authorizationServerMetadata }
      const endpoint = metadata["revocation_endpoint"]
      if (typeof endpoint !== "string" || !URL.canParse(endpoint)) return
      sdk.assertSecureTokenEndpoint(endpoint)
      const { client_id, client_secret } = client
      const body = new URLSearchParams({ token: tokens.refresh_token ?? tokens.access_token })
      const headers = new Headers({ "content-type": "application/x-www-form-urlencoded" })
      if (client_secret === undefined) body.set("client_id", client_id)
      else {
        const pair = [client_id, client_secret].map((text) => encodeURIComponent(text)).join(":")
        headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`)
      }
      await fetchFn(endpoint, { method: "POST", headers, body: body.toString() })
    }
  }
}

export type OAuth = ReturnType<typeof make>

/** Whether what is stored cannot be renewed any more, so that a person has to allow it again. */
export const isOver = (sdk: Sdk, error: unknown): boolean =>
  sdk.OAuthError.isInstance(error) &&
  !["server_error", "temporarily_unavailable", "too_many_requests"].includes(error.code)
