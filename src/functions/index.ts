/** The subpath `tenon/functions`: functions, procedures, aggregates and operators of the database, typed from generated metadata. */
export { aggregateCall } from './aggregate-call.ts'
export { type CallRest, call } from './call.ts'
export { functionCall, functionRows } from './function-call.ts'
export { type OperatorName, operator } from './operator.ts'
export { overload } from './overload.ts'
export type {
  ArgumentsOf,
  CallableFunctions,
  FirstFit,
  OperandsOf,
  PickedArguments,
  Signature,
  SignaturesOf,
} from './signatures.ts'
