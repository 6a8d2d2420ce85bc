/**
 * Reports of what users did: a day that has no row is a day with nothing, a funnel, who comes back, percentiles, and a file for a spreadsheet.
 * All of it is Kysely with a few expressions more, under row-level security, one round trip each.
 */
import { CamelCasePlugin } from 'kysely'
import { createDatabase } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { fillGaps, frame, percentileCont, reportSession, streamCsv, timeBucket } from '../src/reports/index.ts'
import { createRepository } from '../src/repository/index.ts'
import { metadata, tables } from './db/metadata.ts'

await using db = createDatabase({
  connection: 'pglite://memory',
  metadata,
  plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
})
await applyMigrations(db, { modules: ['activity'] })
const service = db.service({ actor: 'example', reason: 'activity of 40 users' })

// Forty users, three weeks. Every user visits first; fewer sign up, and fewer still pay. Some come back each week.
const start = new Date('2024-03-18T07:00:00Z')
const at = (day: number, minutes: number) => new Date(start.getTime() + day * 86_400_000 + minutes * 60_000)
const users = Array.from({ length: 40 }, (_, i) => `5e0f6a7e-0000-4000-8000-${String(i + 1).padStart(12, '0')}`)
await createRepository(tables.profiles).insertMany(
  service,
  users.map((userId, i) => ({ userId, displayName: `User ${i + 1}` })),
)
await createRepository(tables.userActivities).insertMany(
  service,
  users.flatMap((userId, i) => {
    const day = (i * 3) % 7
    const visits = [0, 7, 14].filter((week) => week === 0 || i % (week / 7 + 1) === 0)
    return [
      ...visits.map((week) => ({ userId, kind: 'visit', completed: true, createdAt: at(day + week, i) })),
      ...(i % 2 === 0 ? [{ userId, kind: 'sign up', completed: true, createdAt: at(day, i + 5 + i / 4) }] : []),
      ...(i % 8 === 0 ? [{ userId, kind: 'pay', completed: true, createdAt: at(day + 1, i) }] : []),
    ]
  }),
)

// Policies show everybody the own rows; whoever answers for all of them reads as the service. It can write, too: nothing here does.
const berlin = { every: '1 day', timeZone: 'Europe/Berlin' } as const
const from = new Date('2024-03-29T12:00:00Z')
const to = new Date('2024-04-02T12:00:00Z')

// Activities a day by the calendar of Berlin: over the night when its clocks went forward, with nothing where nothing was.
const perDay = service
  .selectFrom('userActivities')
  .select(({ ref, fn }) => [timeBucket(ref('createdAt'), berlin).as('day'), fn.countAll<string>().as('activities')])
  .where('createdAt', '>=', new Date('2024-03-28T23:00:00Z'))
  .groupBy('day')
const days = await fillGaps(service, perDay, { bucket: 'day', from, to, ...berlin, fill: { activities: '0' } })
  .select(({ fn }) =>
    fn
      .sum<string>('activities')
      .over((w) => frame(w.orderBy('day'), { rows: [{ preceding: 2 }, 'current row'] }))
      .as('ofThreeDays'),
  )
  .orderBy('day')
  .execute()
for (const { day, activities, ofThreeDays } of days)
  console.log(`${day.toISOString()} ${String(activities).padStart(3)}, three days ${ofThreeDays}`)

// A funnel: how many users reached each step after the one before it, and how long half of them took.
const steps = service
  .with('steps', (on) =>
    on
      .selectFrom('userActivities')
      .select(({ fn }) => [
        'userId',
        fn.min('createdAt').filterWhere('kind', '=', 'visit').as('visited'),
        fn.min('createdAt').filterWhere('kind', '=', 'sign up').as('signedUp'),
        fn.min('createdAt').filterWhere('kind', '=', 'pay').as('paid'),
      ])
      .groupBy('userId'),
  )
  .selectFrom('steps')
const funnel = await steps
  .select((eb) => [
    eb.fn.count<string>('visited').as('visited'),
    eb.fn.count<string>('signedUp').filterWhereRef('signedUp', '>=', 'visited').as('signedUp'),
    eb.fn.count<string>('paid').filterWhereRef('paid', '>=', 'signedUp').as('paid'),
    percentileCont(
      eb,
      eb(
        eb.fn<number>('date_part', [eb.val('epoch'), 'signedUp']),
        '-',
        eb.fn<number>('date_part', [eb.val('epoch'), 'visited']),
      ),
      0.5,
    ).as('secondsToSignUp'),
  ])
  .executeTakeFirstOrThrow()
console.log(
  `funnel: ${funnel.visited} visited, ${funnel.signedUp} signed up (half within ${(funnel.secondsToSignUp ?? 0) / 60} minutes), ${funnel.paid} paid`,
)

// Retention: of those whose first visit was in a week, how many visited in the weeks after it.
const week = { every: '1 week', timeZone: 'Europe/Berlin' } as const
const retention = await service
  .with('visits', (on) =>
    on
      .selectFrom('userActivities')
      .select(({ ref }) => ['userId', timeBucket(ref('createdAt'), week).as('week')])
      .where('kind', '=', 'visit')
      .distinct(),
  )
  .with('cohorts', (on) =>
    on
      .selectFrom('visits')
      .select(({ fn }) => ['userId', fn.min('week').as('cohort')])
      .groupBy('userId'),
  )
  .selectFrom('cohorts')
  .innerJoin('visits', 'visits.userId', 'cohorts.userId')
  .select(({ fn }) => ['cohort', 'week', fn.count<string>('visits.userId').as('users')])
  .groupBy(['cohort', 'week'])
  .orderBy('cohort')
  .orderBy('week')
  .execute()
console.log(`retention: ${retention.map(({ users }, i) => `week ${i} ${users}`).join(', ')}`)

// A user's own export: the session's rows and nobody else's, in a session that can read and nothing else.
const me = reportSession(db.session({ role: 'authenticated', claims: { sub: users[0] } }), { workMem: '32MB' })
const mine = me.selectFrom('userActivities').select(['kind', 'createdAt']).orderBy('createdAt')
for await (const chunk of streamCsv(me, mine)) console.log(Buffer.from(chunk).toString().trimEnd())
const refused = await me
  .deleteFrom('userActivities')
  .execute()
  .catch((error) => error.code)
console.log(`a report that deletes: ${refused}`)
