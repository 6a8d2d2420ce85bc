/**
 * Items of arrays as rows, inside an expression. What is no array has no items: the functions of the server would raise an error.
 */
import {
  AliasNode,
  ColumnNode,
  IdentifierNode,
  OperatorNode,
  ReferenceNode,
  SelectQueryNode,
  UnaryOperationNode,
} from 'kysely'
import { binary, bound, call, choose, constant, type Sql } from '../kernel/expressions.ts'

/** The array itself, or an empty one. */
function arrayOr(value: Sql): Sql {
  return choose(binary(call('jsonb_typeof', value), '=', constant('array')), value, bound('[]', 'jsonb'))
}

/** The object itself, or an empty one. */
export function objectOr(value: Sql): Sql {
  return choose(binary(call('jsonb_typeof', value), '=', constant('object')), value, bound('{}', 'jsonb'))
}

/** `jsonb_array_elements(…)`; its column is `value`. */
export function itemsOf(value: Sql): Sql {
  return call('jsonb_array_elements', arrayOr(value))
}

/** `exists (select from … as item where …)`, given the items as `value`. */
export function exists(source: Sql, condition: (item: Sql) => Sql): Sql {
  const from = SelectQueryNode.createFrom([AliasNode.create(source, IdentifierNode.create('item'))])
  const item = ReferenceNode.create(ColumnNode.create('value'))
  // Kysely's own method adds to a where that is there; here there is none.
  const query: SelectQueryNode = { ...from, where: { kind: 'WhereNode', where: condition(item) } }
  return UnaryOperationNode.create(OperatorNode.create('exists'), query)
}
