/** Whom this page speaks for where the server believes it: on the server's own machine. */
const storageKey = "stoa.user"

/** The user that the first start makes an agent for. */
const usual = "local"

let isLocal = false

/** Begins to say who asks; without it, a cookie or something in front of the server does. */
export const speakAsLocalUser = (): void => {
  isLocal = true
}

export const localUser = (): string => localStorage.getItem(storageKey) ?? usual

/** What is on the screen belongs to the user before, so the page begins anew. */
export const changeUser = (user: string): void => {
  if (user === usual) localStorage.removeItem(storageKey)
  else localStorage.setItem(storageKey, user)
  location.reload()
}

/** Headers of every request. With the first one the server knows that no page of another origin has made it. */
export const identified = (): Readonly<Record<string, string>> => ({
  "x-stoa-csrf": "1",
  ...(isLocal && { "x-user-id": localUser() })
})
