export interface Out {
  readonly say: (message: object, then?: () => void) => void
  readonly raw: (text: string, then?: () => void) => void
  readonly die: () => void
}

export const names: ReadonlyArray<string>

export const server: (options: { readonly env?: Readonly<Record<string, string>>; readonly mode?: string }) => {
  readonly handle: (message: { readonly id?: unknown; readonly method?: string }, out: Out) => void
  /** Names of the tools that were called. */
  readonly calls: ReadonlyArray<string>
}
