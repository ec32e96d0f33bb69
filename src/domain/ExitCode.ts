/** Exit codes that the server and its command line share. */

/**
 * The embedded database has come to an end, or answers no more: nothing that
 * was acknowledged is lost, and a new start opens it again.
 */
export const databaseEnded = 70
