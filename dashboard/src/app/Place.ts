/** Where this page was loaded from: the server may be mounted at any path, and writes the way back into the page. */
const loaded = new URL(document.baseURI)

/** Ends with a slash: `https://example.com/ai/dashboard/`. Files of the dashboard itself are below it. */
const dashboardUrl = new URL(".", loaded).href

/** `/ai/dashboard`: what the addresses of screens begin with. */
export const basepath = new URL(dashboardUrl).pathname.replace(/\/$/, "")

/** `https://example.com/ai`: where the API is. */
export const serverUrl = new URL("..", dashboardUrl).href.replace(/\/$/, "")

/** The address of something of the dashboard's own, such as `session`. */
export const ownUrl = (path: string): string => new URL(path, dashboardUrl).href
