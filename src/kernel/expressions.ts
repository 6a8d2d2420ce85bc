/**
 * SQL expressions out of Kysely's own nodes, for builders that write SQL of more than one shape.
 *
 * Raw fragments are avoided on purpose: a statement without them is known to leave nothing behind on its connection.
 */
import {
  type AliasableExpression,
  AliasNode,
  BinaryOperationNode,
  CaseNode,
  CastNode,
  DataTypeNode,
  type Expression,
  ExpressionWrapper,
  FunctionNode,
  IdentifierNode,
  type OperationNode,
  OperatorNode,
  ParensNode,
  SelectionNode,
  UnaryOperationNode,
  ValueNode,
  WhenNode,
} from 'kysely'

/** A node that another may be put around. */
export type Sql = OperationNode

/** An expression of a node, typed by whoever knows what the node gives. */
export function expressionOf<T>(node: Sql): AliasableExpression<T> {
  return new ExpressionWrapper<unknown, never, T>(node)
}

/** Kysely's list lacks some of PostgreSQL's types; its compiler writes any. The text is ours or the catalog's, never a caller's. */
const typeNode = (type: string): DataTypeNode => DataTypeNode.create(type as 'text')

/** A bound value with its type written out, so that the server need not guess. */
export function bound(value: unknown, type: string): Sql {
  return CastNode.create(ValueNode.create(value), typeNode(type))
}

/** A bound value whose type follows from where it stands. */
export function parameter(value: unknown): Sql {
  return ValueNode.create(value)
}

/** A literal of ours: never anything that came from a caller. */
export function constant(value: number | string | boolean | null): Sql {
  return ValueNode.createImmediate(value)
}

export function cast(node: Sql, type: string): Sql {
  return CastNode.create(node, typeNode(type))
}

export function call(name: string, ...parameters: readonly Sql[]): Sql {
  return FunctionNode.create(name, parameters)
}

/** `left operator right`; operands that are operations themselves are put in parentheses. */
export function binary(left: Sql, operator: string, right: Sql): Sql {
  // Kysely's list lacks some of PostgreSQL's operators; its compiler writes any.
  return BinaryOperationNode.create(operand(left), OperatorNode.create(operator as '='), operand(right))
}

/** `not (…)` */
export function negated(node: Sql): Sql {
  return UnaryOperationNode.create(OperatorNode.create('not'), ParensNode.create(node))
}

export function isNull(node: Sql): Sql {
  return binary(node, 'is', constant(null))
}

export function isNotNull(node: Sql): Sql {
  return binary(node, 'is not', constant(null))
}

/** All of them; true for none. */
export function all(nodes: readonly Sql[]): Sql {
  return joined(nodes, 'and') ?? constant(true)
}

/** Any of them; false for none. */
export function any(nodes: readonly Sql[]): Sql {
  return joined(nodes, 'or') ?? constant(false)
}

function joined(nodes: readonly Sql[], operator: 'and' | 'or'): Sql | undefined {
  const [first, ...rest] = nodes
  return rest.reduce<Sql | undefined>((left, right) => left && binary(left, operator, right), first)
}

/** `case when condition then … else … end` */
export function choose(condition: Sql, then: Sql, otherwise: Sql): Sql {
  const whens = CaseNode.cloneWithWhen(CaseNode.create(), WhenNode.cloneWithResult(WhenNode.create(condition), then))
  return CaseNode.cloneWith(whens, { else: otherwise })
}

/** An expression of a select list, under a name. */
export function aliased(node: Sql, name: string): SelectionNode {
  return SelectionNode.create(AliasNode.create(node, IdentifierNode.create(name)))
}

export function nodeOf(expression: Expression<unknown>): Sql {
  return expression.toOperationNode()
}

const operations = new Set(['BinaryOperationNode', 'UnaryOperationNode', 'RawNode', 'AndNode', 'OrNode'])

function operand(node: Sql): Sql {
  return operations.has(node.kind) ? ParensNode.create(node) : node
}
