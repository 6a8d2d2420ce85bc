/** Operators and functions of network addresses: inet and cidr, which are text in JavaScript. */
import type { AliasableExpression, Expression } from 'kysely'
import { type Condition, type Expected, operandOf, ValueReference, wholeNumber } from './value-reference.ts'

type Operand = string | Expression<unknown>

/**
 * The operators of `inet` and `cidr`. A GiST index of the class inet_ops serves the conditions.
 *
 * @example
 * ```ts
 * me.selectFrom('logins').selectAll().where(({ ref }) => network(ref('ip')).containedBy('10.0.0.0/8'))
 * ```
 * The SQL: `select * from "logins" where "ip" << cast($1 as inet)`
 */
export function network<T>(expression: Expression<T> & Expected<T, string>): NetworkReference {
  return new NetworkReference(expression)
}

/** Made by {@link network}. */
export class NetworkReference extends ValueReference<string | null> {
  /** `<<`: strictly. */
  containedBy(other: Operand): Condition {
    return this.infix('<<', inet(other))
  }

  /** `<<=` */
  containedByOrEquals(other: Operand): Condition {
    return this.infix('<<=', inet(other))
  }

  /** `>>`: strictly. */
  contains(other: Operand): Condition {
    return this.infix('>>', inet(other))
  }

  /** `>>=` */
  containsOrEquals(other: Operand): Condition {
    return this.infix('>>=', inet(other))
  }

  /** `&&`: one contains or equals the other. */
  overlaps(other: Operand): Condition {
    return this.infix('&&', inet(other))
  }

  /** 4 or 6. */
  family(): AliasableExpression<number | null> {
    return this.calling('family')
  }

  /** The address without the length of the mask. */
  host(): AliasableExpression<string | null> {
    return this.calling('host')
  }

  masklen(): AliasableExpression<number | null> {
    return this.calling('masklen')
  }

  netmask(): AliasableExpression<string | null> {
    return this.calling('netmask')
  }

  /** `network`: the network part, as cidr. */
  network(): AliasableExpression<string | null> {
    return this.calling('network')
  }

  broadcast(): AliasableExpression<string | null> {
    return this.calling('broadcast')
  }

  /** `set_masklen` */
  withMasklen(length: number): AliasableExpression<string | null> {
    return this.calling('set_masklen', wholeNumber(length))
  }

  /** `inet_same_family` */
  sameFamily(other: Operand): Condition {
    return this.calling('inet_same_family', inet(other))
  }
}

const inet = (value: Operand) => operandOf(value, 'inet')
