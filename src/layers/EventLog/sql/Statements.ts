/** What is read from the log, and what is taken out of it. Parameters are numbered in the order of the port's arguments. */
import { replayBytes } from "../../../services/EventLog.ts"
import { mayHold } from "../../Sql/MayHold.ts"

/** From the page that holds the event after `$2`, found by the key and not by counting from the beginning. */
const pagesAfter = `
  from log_pages where session_id = $1 and last_seq > $2 and first_seq >= coalesce(
    (select max(first_seq) from log_pages where session_id = $1 and first_seq <= $2 + 1), 1)
  order by first_seq limit $3`

/** No more of them than it takes to exceed what is read at a time. */
const someAfter = `
  from (
    select first_seq, last_seq, run_id, ends, frames, form,
      sum(octet_length(frames)) over (order by first_seq) - octet_length(frames) as before
    ${pagesAfter}
  ) pages
  where before < ${replayBytes}`

export const read = `select first_seq, last_seq, run_id, ends, frames, form ${someAfter} order by first_seq`

export const replay = `
  select min(first_seq) as first_seq, max(last_seq) as last_seq, string_agg(frames, '' order by first_seq) as frames,
    min(form) as form
  ${someAfter}`

/** The event that ends a run's stream is the last of its page. */
export const endAfter = `
  select last_seq from log_pages
  where session_id = $1 and run_id = $2 and ends and last_seq > $3 and first_seq >= coalesce(
    (select max(first_seq) from log_pages where session_id = $1 and first_seq <= $3 + 1), 1)
  order by first_seq limit 1`

export const range = `
  select coalesce((select min(first_seq) from log_pages where session_id = $1), 1) as first,
    coalesce((select last_seq from log_pages where session_id = $1 order by first_seq desc limit 1), 0) as last`

export const messages = `
  select seq, id, owner, data from (
    select *, row_number() over (order by seq) as place, sum(octet_length(data)) over (order by seq) as size
    from (
      select seq, id, owner, data from messages where session_id = $1 order by seq offset $2 limit $3
    ) listed
  ) sized
  where place = 1 or size <= $4::bigint
  order by seq`

/** The newest ones whose texts fit into `$3` bytes together, but at least one. Their sizes are known without reading them. */
const newestWhere = (condition: string) => `
  select seq, id, owner, data from (
    select seq, id, owner, data, sum(octet_length(data)) over (order by seq desc) as size,
      row_number() over (order by seq desc) as place
    from (select seq, id, owner, data from messages where session_id = $1${condition} order by seq desc limit $2) few
  ) sized
  where size <= $3::bigint or place = 1`

export const recent = `${newestWhere("")} order by seq`

/** Those that a compaction has left. */
const kept = newestWhere(" and seq >= coalesce((select seq from compactions where session_id = $1), 0)")

/** The same before `$2`, and how many were found, up to one more than are wanted. */
export const older = `
  select seq, id, owner, data, found from (
    select *, sum(octet_length(data)) over (order by seq desc) as size,
      row_number() over (order by seq desc) as place, (count(*) over ())::int as found
    from (
      select seq, id, owner, data from messages where session_id = $1 and seq < $2::int order by seq desc limit $3::int + 1
    ) few
  ) sized
  where place <= $3::int and (size <= $4::bigint or place = 1)
  order by seq`

export const newer = `
  select seq, id, owner, data from (
    select *, row_number() over (order by seq) as place, sum(octet_length(data)) over (order by seq) as size
    from (select seq, id, owner, data from messages where session_id = $1 and seq > $2::int order by seq limit $3) few
  ) sized
  where place = 1 or size <= $4::bigint
  order by seq`

/** The document of the last message is not read when it cannot hold the text; its place is told all the same. */
export const look = `
  with few as (
    select *, row_number() over newest as place, sum(octet_length(data)) over newest as size,
      (count(*) over ())::int as found
    from (
      select seq, id, owner, data from messages where session_id = $1 and seq < $2::int order by seq desc limit $3::int + 1
    ) listed
    window newest as (order by seq desc)
  ), looked as (
    select *, ${mayHold("data", "$5")} as holds
    from few where place <= $3::int and (place = 1 or size <= $4::bigint)
  )
  select seq, id, owner, case when holds then data else '' end as data, holds, place::int as place, size::float8 as size, found
  from looked where holds or place = (select max(place) from looked)
  order by seq desc`

export const place = "select seq from messages where session_id = $1 and id = $2"

/** One statement, and so one moment. The run's rows come first, in the order of their ids. */
export const snapshot = `
  select * from (
    select 0 as kind, last_seq as seq, '' as id, '' as owner, '' as data
      from (select last_seq from log_pages where session_id = $1 order by first_seq desc limit 1) head
    union all
    select 1, (row_number() over (order by id))::int, id, owner, data from runs where session_id = $1 and status <> 'ended'
    union all
    select 2, seq, id, owner, data from (${kept}) messages
    union all
    select 3, seq, '', owner, data from compactions where session_id = $1
  ) parts
  order by kind, seq`

export const compaction = "select seq, owner, data from compactions where session_id = $1"

export const count =
  "select count(*)::int as count, coalesce(max(seq), $2::int) as last from messages where session_id = $1 and seq > $2::int"

export const unfinishedSessions = `
  select session_id, owner, (array_agg(driver order by status = 'running' desc, id))[1] as driver, bool_or(driver is null) as fresh
  from runs
  where status <> 'ended'
  group by session_id, owner
  having bool_and(status in ('queued', 'running'))`

export const heads = `
  select id as session_id,
    (select last_seq from log_pages where session_id = id order by first_seq desc limit 1) as last_seq
  from string_to_table($1, e'\\x1f') as id`

export const open = "select data from runs where session_id = $1 and status <> 'ended' order by id"

export const openStatuses = `
  select session_id, string_agg(status, ',' order by id) as statuses
  from runs where status <> 'ended' and session_id = any(string_to_array($1, e'\\x1f')) group by session_id`

/** The list is written out, as in the index. */
export const parked = `
  select data from runs
  where status in ('awaiting_permission', 'awaiting_external_result') and updated_at < $1::timestamptz and id > $2
  order by id limit $3`

/**
 * One session: its first pages, as far as all are of runs that ended before, and
 * not the last one. Pages of no run go with what comes after them. When nothing
 * is left, its runs need not be looked at again: what held it up looks for itself.
 */
export const prune = `
  with chosen as (
    select session_id from runs where status = 'ended' and not pruned and updated_at < $1::timestamptz
    order by updated_at limit 1
  ), head as (
    select p.session_id, p.first_seq, r.id is not null as of_run,
      coalesce(r.status = 'ended' and r.updated_at < $1::timestamptz, true) as free
    from (
      select session_id, first_seq, run_id from log_pages where session_id = (select session_id from chosen)
      order by first_seq limit $2::int
    ) p left join runs r on r.id = p.run_id
  ), gone as (
    delete from log_pages where session_id = (select session_id from chosen)
      and first_seq < (select max(first_seq) from log_pages where session_id = (select session_id from chosen))
      and first_seq <= (
        select max(first_seq) from head
        where of_run and free and first_seq < coalesce((select min(first_seq) from head where not free), 2147483647))
    returning 1
  ), done as (
    update runs set pruned = true where session_id = (select session_id from chosen) and status = 'ended' and not pruned
      and updated_at < $1::timestamptz and ((select count(*) from gone) = 0 or (select count(*) from head) < $2::int)
    returning 1
  )
  select (select count(*) from chosen)::int as chosen, (select count(*) from gone)::int as gone, (select count(*) from done)::int as done`
