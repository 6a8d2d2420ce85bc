/**
 * The database type of `people-and-pets.sql`, the fixture of the Kysely suite, and its rows as Kysely returns them.
 * It does not connect: `executors.ts` runs the file once in each database and the reset before each test.
 */
import { readFileSync } from 'node:fs'
import type { ColumnType, Generated, JSONColumnType } from 'kysely'

type Instant = ColumnType<Date, Date | string | undefined, Date | string>
type Numeric = ColumnType<string, string | number | bigint, string | number | bigint>

export interface Person {
  id: Generated<number>
  first_name: string
  middle_name: string | null
  last_name: string | null
  age: Generated<number>
  gender: 'male' | 'female' | 'other'
  email: string | null
  created_at: Instant
}

export interface Pet {
  id: Generated<number>
  name: string
  owner_id: number
  species: 'cat' | 'dog' | 'hamster'
}

export interface Toy {
  id: Generated<number>
  name: string
  price: Numeric
  pet_id: number
}

export interface Badge {
  id: number
  label: string
}

/** Typed loosely on purpose: `values.test.ts` writes what a careless caller would. */
export interface Sample {
  id: number
  big: Numeric | null
  small: number | null
  amount: Numeric | null
  ratio: number | null
  flag: boolean | null
  label: string | null
  code: string | null
  uid: string | null
  day: ColumnType<Date | null, Date | string | null | undefined>
  moment: ColumnType<Date | null, Date | string | null | undefined>
  wall: ColumnType<Date | null, Date | string | null | undefined>
  clock: string | null
  span: ColumnType<unknown, string | null | undefined>
  bytes: ColumnType<Buffer | null, Uint8Array | null | undefined>
  document: JSONColumnType<object> | null
  plain: JSONColumnType<object> | null
  numbers: number[] | null
  words: (string | null)[] | null
  bigs: ColumnType<string[] | null, (string | bigint)[] | null | undefined>
  amounts: number[] | null
  matrix: number[][] | null
  moments: Date[] | null
  documents: object[] | null
  mood: 'calm' | 'cross' | null
  moods: ColumnType<string | null, string | string[] | null | undefined>
  place: ColumnType<{ x: number; y: number } | null, string | null | undefined>
  range: string | null
  address: string | null
  nickname: string | null
}

/** `DB` of the suite. */
export interface PeopleAndPets {
  person: Person
  pet: Pet
  toy: Toy
  badge: Badge
  sample: Sample
}

/** Creates the tables, the role `suite_user` and its grants; for a superuser, once in each new database. */
export const createPeopleAndPets = readFileSync(new URL('./people-and-pets.sql', import.meta.url), 'utf8')

/**
 * Puts every table back to the rows below and drops whatever a test made; for a superuser, before each test.
 * The connection that runs it also lets go of the advisory locks that a failed test left on it.
 */
export const resetPeopleAndPets = 'select pg_advisory_unlock_all(), public.reset_people_and_pets()'

/** The rows of `person` after a reset, as Kysely returns them. */
export const people = [
  ['Jennifer', 'Aniston', 52, 'female', 'jennifer@example.com'] as const,
  ['Arnold', 'Schwarzenegger', 74, 'male', 'arnold@example.com'] as const,
  ['Sylvester', 'Stallone', 75, 'male', null] as const,
].map(([first_name, last_name, age, gender, email], index) => ({
  id: index + 1,
  first_name,
  middle_name: null,
  last_name,
  age,
  gender,
  email,
  created_at: new Date('2024-05-06T07:08:09.123Z'),
}))
