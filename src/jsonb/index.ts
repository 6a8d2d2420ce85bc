/** tenon/jsonb: typed paths into json and jsonb columns, filters that indexes serve, and patches. */

export { explainIndexes, type IndexExplanation } from './explain-indexes.ts'
export type { JsonConditionName } from './json-filter.ts'
export { applyPatch, isJsonPatch, type JsonPatch, JsonPatchBuilder, type JsonPatchPath, patch } from './json-patch.ts'
export {
  JsonReference,
  json,
  jsonAgg,
  jsonArray,
  jsonObject,
  jsonObjectAgg,
  jsonValue,
} from './json-reference.ts'
export type {
  JsonAt,
  JsonConditionsOfAny,
  JsonConditionsOfArray,
  JsonConditionsOfObject,
  JsonConditionsOfScalar,
  JsonFilter,
  JsonItem,
  JsonKey,
  JsonPartial,
  JsonPresent,
  JsonScalar,
  JsonTypeName,
} from './json-shape.ts'
export { type JsonTableColumn, type JsonTableRow, type JsonTableTypes, jsonTable } from './json-table.ts'
export type { JsonSteps } from './json-text.ts'
export { toJsonText } from './json-text.ts'
