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

/** `(…) is not true`: of null too, so that nothing is neither found nor left out. */
export function negated(node: Sql): Sql {
  return binary(node, 'is not', constant(true))
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

/** Halves, and halves of them: thousands of nodes in a row would be nested thousands deep. */
function joined(nodes: readonly Sql[], operator: 'and' | 'or'): Sql | undefined {
  if (nodes.length <= 1) return nodes[0]
  const middle = nodes.length >> 1
  const left = joined(nodes.slice(0, middle), operator)
  const right = joined(nodes.slice(middle), operator)
  return left && right && binary(left, operator, right)
}

/** Whether a condition is true whatever a row holds; of what is not a combination of constants it is not known and not said. */
export function isAlwaysTrue(node: Sql): boolean {
  return constantOf(node) === true
}

function constantOf(node: Sql): boolean | undefined {
  switch (node.kind) {
    case 'ParensNode':
      return constantOf((node as ParensNode).node)
    case 'ValueNode': {
      const { immediate, value } = node as ValueNode
      return immediate === true && typeof value === 'boolean' ? value : undefined
    }
    case 'BinaryOperationNode': {
      const { leftOperand, operator, rightOperand } = node as BinaryOperationNode
      const word: string | undefined =
        operator.kind === 'OperatorNode' ? (operator as OperatorNode).operator : undefined
      const [left, right] = [constantOf(leftOperand), constantOf(rightOperand)]
      if (word === 'is not' && left !== undefined && right !== undefined) return left !== right
      if (word === 'and') return left === false || right === false ? false : left && right
      if (word === 'or') return left === true || right === true ? true : left === undefined ? left : right
      return undefined
    }
    default:
      return undefined
  }
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

/** Whether a value is an expression of Kysely's. */
export function isExpression(value: unknown): value is Expression<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'toOperationNode' in value &&
    typeof value.toOperationNode === 'function'
  )
}

export function nodeOf(expression: Expression<unknown>): Sql {
  return expression.toOperationNode()
}

const operations = new Set(['BinaryOperationNode', 'UnaryOperationNode', 'RawNode', 'AndNode', 'OrNode'])

function operand(node: Sql): Sql {
  return operations.has(node.kind) ? ParensNode.create(node) : node
}
