/** Exit codes that the server and its command line share. */

/**
 * The embedded database has crashed or does not answer any more. Nothing that
 * was acknowledged is lost, and a new start opens it again.
 */
export const databaseEnded = 70
