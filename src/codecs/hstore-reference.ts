/** Operators and functions of hstore. */
import type { AliasableExpression, Expression } from 'kysely'
import { bound, isExpression, nodeOf, parameter, type Sql } from '../kernel/expressions.ts'
import { Hstore } from './hstore.ts'
import { type Condition, type Expected, operandOf, present, ValueReference } from './value-reference.ts'
import { isTagged } from './value-text.ts'

type Entries = Hstore | Readonly<Record<string, string | null>> | Expression<unknown>

/**
 * The operators of hstore. A GIN index serves `contains`, `hasKey`, `hasAnyKey` and `hasAllKeys`.
 *
 * @param expression - an hstore, `eb.ref('attributes')`, which without a codec is text
 * @example
 * ```ts
 * me.selectFrom('products').selectAll().where(({ ref }) => hstore(ref('attributes')).contains({ color: 'red' }))
 * me.updateTable('products').set(({ ref }) => ({ attributes: hstore(ref('attributes')).concat({ size: 'XL' }) }))
 * ```
 * The SQL: `… where "attributes" @> $1` and `… set "attributes" = "attributes" || $1`
 */
export function hstore<T>(expression: Expression<T> & Expected<T, Hstore | string>): HstoreReference {
  return new HstoreReference(expression)
}

/** Made by {@link hstore}. */
export class HstoreReference extends ValueReference<Hstore | null> {
  /** `->`: the value of a key; null when it is null or not there. */
  at(key: string | Expression<string>): AliasableExpression<string | null> {
    return this.infix('->', operandOf(key, 'text'))
  }

  /** `?` */
  hasKey(key: string | Expression<string>): Condition {
    return this.infix('?', operandOf(key, 'text'))
  }

  /** `?|` */
  hasAnyKey(keys: readonly string[]): Condition {
    return this.infix('?|', bound(present(keys), 'text[]'))
  }

  /** `?&` */
  hasAllKeys(keys: readonly string[]): Condition {
    return this.infix('?&', bound(present(keys), 'text[]'))
  }

  /** `@>` */
  contains(entries: Entries): Condition {
    return this.infix('@>', entriesOf(entries))
  }

  /** `<@` */
  containedBy(entries: Entries): Condition {
    return this.infix('<@', entriesOf(entries))
  }

  /** `||`: keys that are there get the new value. */
  concat(entries: Entries): AliasableExpression<Hstore> {
    return this.infix('||', entriesOf(entries))
  }

  /** `-`: without the keys. */
  without(...keys: readonly string[]): AliasableExpression<Hstore> {
    return this.infix('-', bound(keys, 'text[]'))
  }

  /** `slice`: these keys alone. */
  only(...keys: readonly string[]): AliasableExpression<Hstore> {
    return this.calling('slice', bound(keys, 'text[]'))
  }

  /** `akeys` */
  keys(): AliasableExpression<string[] | null> {
    return this.calling('akeys')
  }

  /** `avals` */
  values(): AliasableExpression<(string | null)[] | null> {
    return this.calling('avals')
  }

  /** `each` as a source of rows: columns `key` and `value`. */
  entries(): AliasableExpression<{ key: string; value: string | null }> {
    return this.calling('each')
  }

  /** `hstore_to_jsonb` */
  toJsonb(): AliasableExpression<Record<string, string | null> | null> {
    return this.calling('hstore_to_jsonb')
  }
}

function entriesOf(entries: Entries): Sql {
  if (isExpression(entries)) return nodeOf(entries)
  const given = present(entries)
  // Of another copy of the package it is an Hstore too, and writes itself.
  if (isTagged(given, 'Hstore')) return parameter(given)
  return parameter(given instanceof Map ? new Hstore(given) : Hstore.from(given))
}
