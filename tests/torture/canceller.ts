/**
 * Somebody who cancels whatever runs: `pg_cancel_backend` on the backends of one application, at random and as fast as it goes.
 * It works inside the server, so that it never takes turns with the program it torments. It does not know what it hits.
 */
import { Client } from 'pg'
import type { Random } from './random.ts'

/** A canceller at work. */
export interface Canceller {
  /** Cancels sent so far. */
  readonly sent: number
  stop(): Promise<void>
}

/** A unit takes a few hundred microseconds; gaps of up to the second parameter put a cancel into every part of one. */
const hail = `
create function pg_temp.hail(application text, longest_gap_s double precision, for_ms integer) returns bigint language plpgsql as $$
declare
  pids integer[] := array(select pid from pg_catalog.pg_stat_activity where application_name = application);
  until timestamptz := clock_timestamp() + make_interval(secs => for_ms / 1000.0);
  sent bigint := 0;
begin
  while clock_timestamp() < until and cardinality(pids) > 0 loop
    perform pg_catalog.pg_cancel_backend(pids[1 + floor(random() * cardinality(pids))::integer]);
    sent := sent + 1;
    perform pg_catalog.pg_sleep(random() * longest_gap_s);
  end loop;
  return sent;
end $$`

/**
 * Starts cancelling the backends of `applicationName`.
 *
 * @param adminUrl a login that may cancel them
 */
export async function startCanceller(adminUrl: string, applicationName: string, random: Random): Promise<Canceller> {
  const client = new Client(adminUrl)
  await client.connect()
  await client.query(hail)
  await client.query('select setseed($1)', [random.next()])
  let sent = 0
  let stopped = false
  const working = (async () => {
    while (!stopped) {
      const { rows } = await client.query<{ sent: string }>('select pg_temp.hail($1, 0.0003, 100) as sent', [
        applicationName,
      ])
      sent += Number(rows[0]?.sent)
    }
  })()
  return {
    get sent() {
      return sent
    },
    async stop() {
      stopped = true
      await working
      await client.end()
    },
  }
}
