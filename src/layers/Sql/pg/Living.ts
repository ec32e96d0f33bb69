/** The processes that share a PostgreSQL: each holds a lock for as long as it lives. */

/** The first half of the lock's key: "Stoa". The second is the process. */
export const lockClass = 0x53746f61

/** The second halves of all that are held. */
export const livingText = `
  select objid::bigint::text as id from pg_locks
  where locktype = 'advisory' and classid = ${lockClass} and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())`
