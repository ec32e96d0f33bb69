/**
 * Whom this page speaks for, where it may say so: on the server's own machine everybody, elsewhere an admin, whose key
 * may act for any tenant.
 */
const storageKey = "stoa.user"

/** The user that the first start makes an agent for. */
const usual = "local"

let isLocal = false

/** Begins to say who asks; without it, a session or something in front of the server does. */
export const speakAsLocalUser = (): void => {
  isLocal = true
}

/** Nothing where the page does not say who asks. */
export const chosenUser = (): string | undefined =>
  isLocal ? localStorage.getItem(storageKey) ?? usual : sessionStorage.getItem(storageKey) ?? undefined

/** Without a user it is the usual one again. */
export const forgetUser = (): void => {
  localStorage.removeItem(storageKey)
  sessionStorage.removeItem(storageKey)
}

/** What is on the screen belongs to the user before, so the page begins anew. An admin acts for somebody in this tab only. */
export const changeUser = (user: string | undefined): void => {
  forgetUser()
  if (user !== undefined) (isLocal ? localStorage : sessionStorage).setItem(storageKey, user)
  location.reload()
}

/** Headers of every request. With the first one the server knows that no page of another origin has made it. */
export const identified = (): Readonly<Record<string, string>> => {
  const user = chosenUser()
  return { "x-stoa-csrf": "1", ...user !== undefined && { "x-user-id": user } }
}
