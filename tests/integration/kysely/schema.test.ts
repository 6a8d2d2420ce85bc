/**
 * Kysely's schema builder and introspection on PostgreSQL. The role of a session may create and owns what it creates;
 * schemas other than `public` are in lab, which is its own.
 */
import { sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'

describeExecutors('Schema', ({ behaves }) => {
  behaves('creates a table with every kind of column and constraint', async ({ db, admin, failure }) => {
    await db.schema
      .createTable('gadget')
      .ifNotExists()
      .addColumn('id', 'integer', (column) => column.primaryKey().generatedAlwaysAsIdentity())
      .addColumn('serial', 'bigserial')
      .addColumn('name', 'varchar(20)', (column) => column.notNull().unique())
      .addColumn('price', 'numeric(6, 2)', (column) => column.defaultTo(1.5).check(sql`price > 0`))
      .addColumn('made', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
      .addColumn('flags', sql`text[]`, (column) => column.defaultTo(sql`'{}'`))
      .addColumn('doubled', 'numeric', (column) => column.generatedAlwaysAs(sql`price * 2`).stored())
      .addColumn('pet_id', 'integer', (column) => column.references('pet.id').onDelete('set null').onUpdate('cascade'))
      .addColumn('code', 'text', (column) => column.unique().nullsNotDistinct())
      .addUniqueConstraint('gadget_pair_key', ['name', 'price'], (constraint) => constraint.nullsNotDistinct())
      .addCheckConstraint('gadget_name_check', sql`length(name) > 2`)
      .addForeignKeyConstraint('gadget_person_fkey', ['pet_id'], 'person', ['id'], (constraint) =>
        constraint.onDelete('cascade').deferrable().initiallyDeferred(),
      )
      .execute()
    const gadgets = db.$extendTables<{ gadget: { name: string; price: string; doubled: string; flags: string[] } }>()
    const row = await gadgets
      .insertInto('gadget')
      .values({ name: 'Lamp', price: '2', flags: ['x'] } as never)
      .returning(['name', 'price', 'doubled', 'flags'])
      .executeTakeFirstOrThrow()
    expect(row).toStrictEqual({ name: 'Lamp', price: '2.00', doubled: '4.00', flags: ['x'] })
    const refused = [
      await failure(
        gadgets
          .insertInto('gadget')
          .values({ name: 'Lamp' } as never)
          .execute(),
      ),
      await failure(
        gadgets
          .insertInto('gadget')
          .values({ name: 'ab' } as never)
          .execute(),
      ),
      await failure(
        gadgets
          .insertInto('gadget')
          .values({ name: 'Rug', price: '-1' } as never)
          .execute(),
      ),
      await failure(
        gadgets
          .insertInto('gadget')
          .values({ name: null } as never)
          .execute(),
      ),
    ]
    expect(refused).toStrictEqual(['23505', '23514', '23514', '23502'])
    const constraints = await admin(
      `select conname, contype::text, condeferred from pg_constraint where conrelid = 'gadget'::regclass and contype <> 'n' order by conname`,
    )
    expect(constraints).toHaveLength(8)
    return { row, refused, constraints }
  })

  behaves('creates a table from a query, and a temporary table for one transaction', async ({ db }) => {
    await db.schema
      .createTable('dog')
      .as(db.selectFrom('pet').selectAll().where('species', '=', 'dog'))
      .execute()
    const dogs = await db.$extendTables<{ dog: { name: string } }>().selectFrom('dog').select('name').execute()
    const temporary = await db.transaction().execute(async (trx) => {
      await trx.schema.createTable('passing').temporary().onCommit('drop').addColumn('n', 'integer').execute()
      const inside = trx.$extendTables<{ passing: { n: number } }>()
      await inside.insertInto('passing').values({ n: 1 }).execute()
      return inside.selectFrom('passing').selectAll().execute()
    })
    expect({ dogs, temporary }).toStrictEqual({ dogs: [{ name: 'Doggo' }], temporary: [{ n: 1 }] })
    return { dogs, temporary }
  })

  behaves('alters a table step by step', async ({ db }) => {
    const { schema } = db
    await schema
      .createTable('draft')
      .addColumn('id', 'integer')
      .addColumn('old', 'text')
      .addColumn('gone', 'text')
      .execute()
    await schema
      .alterTable('draft')
      .addColumn('made', 'date', (column) => column.notNull().defaultTo(sql`current_date`))
      .addColumn('extra', 'text')
      .execute()
    await schema.alterTable('draft').dropColumn('gone').execute()
    await schema
      .alterTable('draft')
      .dropColumn('gone', (drop) => drop.ifExists())
      .execute()
    await schema.alterTable('draft').renameColumn('old', 'label').execute()
    await schema
      .alterTable('draft')
      .alterColumn('label', (column) => column.setDataType('varchar(9)'))
      .execute()
    await schema
      .alterTable('draft')
      .alterColumn('label', (column) => column.setDefault('none'))
      .alterColumn('label', (column) => column.setNotNull())
      .execute()
    await schema
      .alterTable('draft')
      .alterColumn('made', (column) => column.dropDefault())
      .alterColumn('made', (column) => column.dropNotNull())
      .execute()
    await schema.alterTable('draft').addPrimaryKeyConstraint('draft_pkey', ['id']).execute()
    await schema
      .alterTable('draft')
      .addUniqueConstraint('draft_label_key', ['label'], (constraint) => constraint.deferrable().initiallyDeferred())
      .execute()
    await schema.alterTable('draft').addCheckConstraint('draft_label_check', sql`label <> ''`).execute()
    await schema
      .alterTable('draft')
      .addForeignKeyConstraint('draft_pet_fkey', ['id'], 'pet', ['id'])
      .onDelete('cascade')
      .execute()
    await schema.alterTable('draft').renameConstraint('draft_label_check', 'draft_full_check').execute()
    await schema.alterTable('draft').dropConstraint('draft_pet_fkey').ifExists().cascade().execute()
    await schema.alterTable('draft').renameTo('final').execute()
    await schema.alterTable('final').setSchema('lab').execute()
    const [table] = (await db.introspection.getTables()).filter((each) => each.schema === 'lab')
    expect(
      table?.columns.map(({ name, dataType, isNullable, hasDefaultValue }) => [
        name,
        dataType,
        isNullable,
        hasDefaultValue,
      ]),
    ).toStrictEqual([
      ['id', 'int4', false, false],
      ['label', 'varchar', false, true],
      ['made', 'date', true, false],
      ['extra', 'text', true, false],
    ])
    return table
  })

  behaves('creates and drops indexes of many shapes', async ({ db, admin }) => {
    await db.schema
      .createTable('shelf')
      .addColumn('id', 'integer')
      .addColumn('name', 'text')
      .addColumn('tags', 'jsonb')
      .execute()
    const { schema } = db
    await schema.createIndex('shelf_name_idx').ifNotExists().on('shelf').column('name').execute()
    await schema.createIndex('shelf_pair_idx').unique().on('shelf').columns(['name desc', 'id']).execute()
    await schema.createIndex('shelf_lower_idx').on('shelf').expression(sql`lower(name)`).execute()
    await schema.createIndex('shelf_tags_idx').on('shelf').using('gin').column('tags').execute()
    await schema.createIndex('shelf_partial_idx').on('shelf').column('id').where('id', '>', 10).execute()
    await schema.createIndex('shelf_null_idx').unique().nullsNotDistinct().on('shelf').column('id').execute()
    const made = await admin(`select indexdef from pg_indexes where tablename = 'shelf' order by indexname`)
    expect(made).toHaveLength(6)
    await schema.dropIndex('shelf_name_idx').execute()
    await schema.dropIndex('shelf_name_idx').ifExists().cascade().execute()
    expect(await admin(`select 1 from pg_indexes where tablename = 'shelf'`)).toHaveLength(5)
    return made
  })

  behaves('creates, replaces and drops views', async ({ db }) => {
    const { schema } = db
    const view = db.$extendTables<{ elder: { who: string } }>()
    await schema
      .createView('elder')
      .columns(['who'])
      .as(db.selectFrom('person').select('first_name').where('age', '>', sql.lit(60)))
      .execute()
    await schema
      .createView('elder')
      .orReplace()
      .columns(['who'])
      .as(db.selectFrom('person').select('first_name').where('age', '>', 74))
      .execute()
    const seen = await view.selectFrom('elder').selectAll().execute()
    await schema.dropView('elder').execute()
    await schema.dropView('elder').ifExists().cascade().execute()
    expect(seen).toStrictEqual([{ who: 'Sylvester' }])
    return seen
  })

  behaves('creates, refreshes and drops materialized views', async ({ db }) => {
    const { schema } = db
    const view = db.$extendTables<{ headcount: { gender: string; n: string } }>()
    await schema
      .createView('headcount')
      .materialized()
      .as(
        db
          .selectFrom('person')
          .select(['gender', (eb) => eb.fn.countAll().as('n')])
          .groupBy('gender'),
      )
      .execute()
    await schema.createIndex('headcount_gender_idx').unique().on('headcount').column('gender').execute()
    await db.deleteFrom('person').where('gender', '=', 'male').execute()
    const stale = await view.selectFrom('headcount').selectAll().orderBy('gender').execute()
    await schema.refreshMaterializedView('headcount').execute()
    await schema.refreshMaterializedView('headcount').concurrently().execute()
    await schema.refreshMaterializedView('headcount').withData().execute()
    const fresh = await view.selectFrom('headcount').selectAll().execute()
    await schema.dropView('headcount').materialized().ifExists().execute()
    expect({ stale, fresh }).toStrictEqual({
      stale: [
        { gender: 'male', n: '2' },
        { gender: 'female', n: '1' },
      ],
      fresh: [{ gender: 'female', n: '1' }],
    })
    return { stale, fresh }
  })

  behaves('creates, alters and drops types', async ({ db }) => {
    const { schema } = db
    await schema.createType('size').asEnum(['small', 'large']).execute()
    await schema.alterType('size').addValue('huge').ifNotExists().after('large').execute()
    await schema.alterType('size').addValue('tiny').before('small').execute()
    await schema.alterType('size').renameValue('huge', 'giant').execute()
    await schema.alterType('size').renameTo('magnitude').execute()
    const { rows } = await sql<{ all: string }>`select enum_range(null::magnitude)::text as all`.execute(db)
    await schema.alterType('magnitude').setSchema('lab').execute()
    await schema.withSchema('lab').dropType('magnitude').ifExists().cascade().execute()
    expect(rows).toStrictEqual([{ all: '{tiny,small,large,giant}' }])
    return rows
  })

  behaves('creates and drops schemas and works inside them', async ({ db, admin }) => {
    await db.schema.createSchema('workshop').ifNotExists().execute()
    const inside = db.withSchema('workshop').$extendTables<{ tool: { id: number } }>()
    await inside.schema
      .createTable('tool')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .execute()
    await inside.insertInto('tool').values({ id: 5 }).execute()
    const rows = await inside.selectFrom('tool').selectAll().execute()
    await db.schema.dropSchema('workshop').ifExists().cascade().execute()
    expect(rows).toStrictEqual([{ id: 5 }])
    expect(await admin(`select 1 from pg_namespace where nspname = 'workshop'`)).toStrictEqual([])
    return rows
  })

  behaves('drops tables, present or not', async ({ db, failure }) => {
    await db.schema.createTable('brief').addColumn('id', 'integer').execute()
    await db.schema.dropTable('brief').execute()
    await db.schema.dropTable('brief').ifExists().cascade().execute()
    const refused = await failure(db.schema.dropTable('brief').execute())
    expect(refused).toBe('42P01')
    return refused
  })

  behaves('rolls DDL back with its transaction', async ({ db, admin }) => {
    const failing = db.transaction().execute(async (trx) => {
      await trx.schema.createTable('never').addColumn('id', 'integer').execute()
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await admin(`select to_regclass('never') as found`)).toStrictEqual([{ found: null }])
  })

  behaves('introspects schemas, tables, views, columns, defaults and comments', async ({ db, admin }) => {
    await admin(`comment on column person.email is 'where to write'`)
    await admin('create view adult as select id, age from person where age > 18')
    await admin('grant select on adult to suite_user')
    await admin('create table measure (id bigserial, taken date not null) partition by range (taken)')
    const schemas = (await db.introspection.getSchemas())
      .map((schema) => schema.name)
      .filter((name) => !name.startsWith('pg_'))
    const tables = await db.introspection.getTables()
    await admin('comment on column person.email is null')
    expect(schemas.toSorted()).toStrictEqual(['information_schema', 'lab', 'public'])
    expect(tables.map((table) => [table.name, table.isView])).toStrictEqual([
      ['adult', true],
      ['badge', false],
      ['measure', false],
      ['person', false],
      ['pet', false],
      ['sample', false],
      ['toy', false],
    ])
    expect(tables.find((table) => table.name === 'measure')?.columns[0]).toMatchObject({
      isAutoIncrementing: true,
      hasDefaultValue: true,
    })
    expect(
      tables.find((table) => table.name === 'person')?.columns.find((column) => column.name === 'email'),
    ).toMatchObject({ comment: 'where to write', isNullable: true })
    return { schemas, tables }
  })
})
