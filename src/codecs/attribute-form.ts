/**
 * Attributes of composites whose values do not say by themselves how they are written: json, of which any value is one, and the points and
 * circles that pg gives as plain objects.
 */
import { numberText } from './value-text.ts'

type Form = 'json' | 'point' | 'circle'

/** How an attribute is written; undefined where a value says it itself. */
export type AttributeForm = { readonly form: Form; readonly isArray: boolean } | undefined

// OIDs of the server's own types.
const forms: Readonly<Record<number, Form>> = { 114: 'json', 3802: 'json', 600: 'point', 718: 'circle' }
const names: Readonly<Record<string, Form>> = { json: 'json', jsonb: 'json', point: 'point', circle: 'circle' }

/** Of an attribute as the catalog has it, beneath every domain. */
export function formOfOid(type: number, element: number | undefined): AttributeForm {
  const form = forms[element ?? type]
  return form && { form, isArray: element !== undefined }
}

/** Of an attribute as metadata has it. */
export function formOfName(type: string): AttributeForm {
  const [, name = '', array] = /^(?:pg_catalog\.)?(\w+)(\[\])?$/.exec(type) ?? []
  const form = Object.hasOwn(names, name) ? names[name] : undefined
  return form && { form, isArray: array !== undefined }
}

/** What a driver can write. */
export function inForm(value: unknown, form: AttributeForm): unknown {
  if (form === undefined || value === null || value === undefined) return value
  if (form.isArray && Array.isArray(value)) return value.map((item) => inForm(item, { ...form, isArray: false }))
  return form.isArray ? value : writers[form.form](value)
}

const writers: Readonly<Record<Form, (value: unknown) => unknown>> = {
  json: (value) => JSON.stringify(value),
  point: (value) => (hasNumbers(value, 'x', 'y') ? pointText(value) : value),
  circle: (value) =>
    hasNumbers(value, 'x', 'y', 'radius') ? `<${pointText(value)},${numberText(value.radius)}>` : value,
}

/** Not of the values of tenon/codecs, which write themselves. */
function hasNumbers<Key extends string>(
  value: unknown,
  ...keys: readonly Key[]
): value is Readonly<Record<Key, number>> {
  if (typeof value !== 'object' || value === null || 'toPostgres' in value) return false
  return keys.every((key) => typeof (value as Readonly<Record<string, unknown>>)[key] === 'number')
}

function pointText({ x, y }: { readonly x: number; readonly y: number }): string {
  return `(${numberText(x)},${numberText(y)})`
}
