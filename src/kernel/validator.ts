/** What checks values: the one face of schema libraries that this package knows. */

/** Checks values: a zod schema, or anything with its `safeParse`. */
export interface Validator<T = unknown> {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]
        }
      }
}
