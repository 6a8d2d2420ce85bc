/**
 * Types and zod schemas that generated files bring along, each written only where it is used.
 *
 * The texts are the generated code's own: they import nothing, and a test compiles and runs them.
 */
import type { ParserChoices } from '../kernel/metadata.ts'

/** Definitions of types.ts by name. Those of kysely-codegen (Generated, Json…) are its own. */
export function typeDefinitions(choices: ParserChoices): Readonly<Record<string, string>> {
  const column = (select: string, insert: string) => `ColumnType<${select}, ${insert}, ${insert}>`
  return {
    Bytes: column('Buffer', 'Uint8Array'),
    CalendarDate: column(choices.date, 'Date | string'),
    Circle: '{\n  x: number;\n  y: number;\n  radius: number;\n}',
    CircleColumn: column('Circle', 'string'),
    Int8: column(choices.int8, 'bigint | number | string'),
    Interval: column('PostgresInterval', 'PostgresInterval | number | string'),
    Money: column('string', 'number | string'),
    Numeric: column(choices.numeric, 'bigint | number | string'),
    Point: '{\n  x: number;\n  y: number;\n}',
    PointColumn: column('Point', 'string'),
    PostgresInterval:
      '{\n  years?: number;\n  months?: number;\n  days?: number;\n  hours?: number;\n  minutes?: number;\n  seconds?: number;\n  milliseconds?: number;\n  toPostgres(): string;\n  toISO(): string;\n  toISOString(): string;\n}',
    Timestamp: column('Date', 'Date | string'),
    TimestampText: column('string', 'Date | string'),
  }
}

/** What types.ts says of a definition. */
export const typeNotes: Readonly<Record<string, string>> = {
  Bytes: 'bytea.',
  CalendarDate: 'date.',
  CircleColumn: "circle: a query takes it as text, '<(1,2),3>'.",
  Int8: 'bigint.',
  Interval: 'interval: a number is seconds.',
  JsonColumn: 'json and jsonb.',
  JsonInput:
    'A query takes a string as JSON text. Arrays go as JSON.stringify(value): pg sends an array as one of PostgreSQL.',
  Numeric: 'numeric.',
  PointColumn: "point: a query takes it as text, '(1,2)'.",
  PostgresInterval: "An interval as pg's parser gives it.",
  Timestamp: 'timestamp and timestamptz: a string is read by the server.',
  TimestampText: 'timestamp and timestamptz: a string is read by the server.',
}

/** Generic definitions of types.ts. */
export const genericDefinitions: Readonly<Record<string, readonly [params: string, body: string]>> = {
  JsonColumn: ['T', 'ColumnType<T, JsonInput<T>, JsonInput<T>>'],
  JsonInput: ['T', 'Exclude<T, readonly unknown[] | null> | string'],
}

/** Helpers of zod.ts by name, in an order in which each finds what it needs above it. */
export const zodDefinitions: Readonly<Record<string, string>> = {
  unpadded: `/** Without the spaces at its end. */
const unpadded = (value: string): string => {
  let end = value.length;
  while (value[end - 1] === " ") end--;
  return value.slice(0, end);
};`,
  text: `const text = (max?: number) =>
  z
    .string()
    .refine((value) => !/\\0|\\p{Cs}/u.test(value), "Text holds no NUL and no half of a surrogate pair")
    .refine(
      // Spaces beyond the length are cut off by the server.
      (value) => max === undefined || [...unpadded(value)].length <= max,
      \`At most \${max} characters\`,
    );`,
  cut: `const cut = (value: string, max: number) => [...value].slice(0, max).join("");`,
  int2: `const int2 = z.number().int().min(-32768).max(32767);`,
  int4: `const int4 = z.number().int().min(-2147483648).max(2147483647);`,
  oid: `const oid = z.number().int().min(0).max(4294967295);`,
  float: `const float = z.custom<number>((value) => typeof value === "number", "Expected a number");`,
  jsonFloat: `const jsonFloat = z.union([float, z.enum(["NaN", "Infinity", "-Infinity"])]);`,
  float4Input: `const float4Input = float.refine(
  (value) => !Number.isFinite(value) || (Number.isFinite(Math.fround(value)) && (value === 0 || Math.fround(value) !== 0)),
  "Out of the range of real",
);`,
  plus: `const plus = (value: string | number | bigint) => String(value).trim().replace(/^\\+/, "");`,
  int8Input: `const int8Input = z
  .union([z.string(), z.number(), z.bigint()])
  .refine(
    (value) => /^[ \\t-\\r]*[+-]?\\d+[ \\t-\\r]*$/.test(String(value)) && BigInt.asIntN(64, BigInt(plus(value))) === BigInt(plus(value)),
    "Expected a whole number of 64 bits",
  );`,
  uuidInput: `const uuidInput = z
  .string()
  .regex(/^(?:\\{(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}\\}|(?:[0-9a-f]{4}-?){7}[0-9a-f]{4})$/i, "Expected a UUID");`,
  bits: `const bits = (min: number, max = Number.POSITIVE_INFINITY) =>
  z.string().refine((value) => {
    const length = /^[bB]?[01]*$/.test(value)
      ? value.replace(/^[bB]/, "").length
      : /^[xX][0-9a-fA-F]*$/.test(value)
        ? 4 * (value.length - 1)
        : -1;
    return length >= min && length <= max;
  }, min === max ? \`Expected \${max} bits\` : \`Expected at most \${max} bits\`);`,
  bytes: `const bytes = z.custom<Buffer>((value) => value instanceof Uint8Array, "Expected bytes");`,
  bytesInput: `const bytesInput = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "Expected bytes");`,
  instantInput: `const instantInput = z.union([z.date().min(new Date(-210866803200000)), z.string()]);`,
  interval: `const interval = z.custom<PostgresInterval>(
  (value) => typeof value === "object" && value !== null && "toPostgres" in value,
  "Expected an interval",
);`,
  point: `const point = z.object({ x: float, y: float });`,
  pointInput: `const pointInput = z.union([z.string(), point.transform(({ x, y }) => \`(\${x},\${y})\`)]);`,
  circle: `const circle = z.object({ x: float, y: float, radius: float });`,
  circleInput: `const circleInput = z.union([z.string(), circle.refine(({ radius }) => !(radius < 0)).transform(({ x, y, radius }) => \`<(\${x},\${y}),\${radius}>\`)]);`,
  codec: `// Values of tenon/codecs say what they are, whichever copy of the package made them.
const codec = <T>(name: string) =>
  z.custom<T>((value) => Object.prototype.toString.call(value) === \`[object \${name}]\`, \`Expected a value of \${name}\`);`,
  isRangeOf: `const isRangeOf = (range: { readonly lower: unknown; readonly upper: unknown }, bound: z.ZodType) =>
  [range.lower, range.upper].every(
    // Dates have infinities, which are numbers.
    (value) => value === null || value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY || bound.safeParse(value).success,
  );`,
  range: `const range = <T>(bound: z.ZodType<T>) =>
  codec<Range<T>>("Range").refine((value) => isRangeOf(value, bound), "Expected other bounds");`,
  multirange: `const multirange = <T>(bound: z.ZodType<T>) =>
  codec<Multirange<T>>("Multirange").refine(
    ({ ranges }) => ranges.every((range) => isRangeOf(range, bound)),
    "Expected other bounds",
  );`,
  composite: `const composite = <T>(attributes: z.ZodRawShape) =>
  codec<T>("Composite").refine((value) => z.object(attributes).safeParse(value).success, "Expected other attributes");`,
  geometry: `// GeoJSON that was checked or read writes itself; plain GeoJSON does not.
const geometry = <T>() =>
  z.custom<T>(
    (value) => typeof value === "object" && value !== null && "type" in value && "toPostgres" in value,
    "Expected a geometry of tenon/geo",
  );`,
  json: `const json = <T>() => z.custom<T>((value) => value !== undefined);`,
  isJson: `// jsonb, unlike json, holds no NUL and no half of a surrogate pair.
const isJson = (value: unknown, stored: boolean): boolean => {
  let fits = true;
  try {
    const written = JSON.stringify(value, (key: string, item: unknown) => {
      for (const part of [key, item]) {
        if (stored && typeof part === "string" && /\\0|\\p{Cs}/u.test(part)) fits = false;
      }
      return item;
    });
    return typeof written === "string" && fits;
  } catch {
    return false;
  }
};`,
  jsonText: `const jsonText = <T extends z.ZodType>(schema: T, stored = true) =>
  schema
    .refine((value) => value !== null && isJson(value, stored), "Expected JSON")
    .transform((value) => JSON.stringify(value));`,
  jsonInput: `const jsonInput = <T>(stored = true) =>
  z
    .custom<T>((value) => value !== null && isJson(value, stored), "Expected JSON")
    .transform((value) => JSON.stringify(value));`,
  jsonTypeOf: `/** What jsonb_typeof says of a JSON text. */
const jsonTypeOf = (source: string) => {
  const item: unknown = JSON.parse(source);
  return item === null ? "null" : Array.isArray(item) ? "array" : typeof item;
};`,
  decimal: `/** Digits as a whole number, and how many of them stand behind the point; a rank instead for what is no number. */
const decimal = (value: string | number | bigint): { readonly whole: bigint; readonly scale: number; readonly rank: number } | undefined => {
  const found = /^[ \\t-\\r]*([+-]?)(?:(\\d+)(?:\\.(\\d*))?|\\.(\\d+))(?:e([+-]?\\d+))?[ \\t-\\r]*$/i.exec(String(value));
  if (found === null) {
    const [, word = ""] = /^[ \\t-\\r]*(nan|[+-]?inf(?:inity)?)[ \\t-\\r]*$/i.exec(String(value)) ?? [];
    const rank = word === "" ? 0 : /^nan/i.test(word) ? 2 : word.startsWith("-") ? -1 : 1;
    return rank === 0 ? undefined : { whole: 0n, scale: 0, rank };
  }
  const [, sign = "", digits = "", behind, after = "", power = "0"] = found;
  const rest = behind ?? after;
  // More than the server stores, before the point or behind it.
  if (Math.abs(Number(power)) > 150_000 || digits.length + rest.length > 150_000) return undefined;
  const scale = rest.length - Number(power);
  const whole = BigInt(\`\${sign === "-" ? "-" : ""}\${digits}\${rest}\`);
  return scale < 0 ? { whole: whole * 10n ** BigInt(-scale), scale: 0, rank: 0 } : { whole, scale, rank: 0 };
};`,
  rounded: `/** As numeric(precision, scale) stores it. */
const rounded = (value: string | number | bigint, scale: number): string | number | bigint => {
  const number = decimal(value);
  if (number === undefined || number.rank !== 0 || number.scale <= scale) return value;
  const unit = 10n ** BigInt(number.scale - scale);
  const half = number.whole < 0n ? -unit / 2n : unit / 2n;
  return \`\${(number.whole + half) / unit}e\${-scale}\`;
};`,
  compare: `const compare = (a: string | number | bigint, b: string | number | bigint): number => {
  const [x, y] = [decimal(a), decimal(b)];
  if (x === undefined || y === undefined) return Number.NaN;
  if (x.rank !== 0 || y.rank !== 0) return x.rank - y.rank;
  const scale = Math.max(x.scale, y.scale);
  const [left, right] = [x.whole * 10n ** BigInt(scale - x.scale), y.whole * 10n ** BigInt(scale - y.scale)];
  return left < right ? -1 : left > right ? 1 : 0;
};`,
  numericInput: `const numericInput = (precision?: number, scale = 0) =>
  z.union([z.string(), z.number(), z.bigint()]).refine((value) => {
    const number = decimal(value);
    if (number === undefined) return false;
    if (number.rank !== 0) return precision === undefined || number.rank === 2;
    if (precision === undefined) return number.scale <= 16_383 && String(number.whole).length - number.scale <= 131_072;
    const limit = \`1e\${precision - scale}\`;
    const stored = rounded(value, scale);
    return compare(stored, limit) < 0 && compare(stored, \`-\${limit}\`) > 0;
  }, precision === undefined ? "Expected a decimal number" : \`Expected a decimal number of \${precision} digits, \${scale} of them behind the point\`);`,
  change: `const change = <A, B>(value: A | null, to: (value: A) => B): B | null => (value === null ? null : to(value));`,
  Truth: `type Truth = boolean | null;`,
  matches: `/** Unknown for what only the server matches in time. */
const matches = (pattern: RegExp, value: string, ascii = false): Truth =>
  value.length > 1_000 || (ascii && /[^\\0-\\x7f]/.test(value)) ? null : pattern.test(value);`,
  ownKeys: `/** Without what every object inherits. */
const ownKeys = (row: unknown) =>
  typeof row === "object" && row !== null ? Object.assign(Object.create(null), row) : row;`,
  every: `const every = (...truths: readonly Truth[]): Truth => (truths.includes(false) ? false : truths.includes(null) ? null : true);`,
  some: `const some = (...truths: readonly Truth[]): Truth => (truths.includes(true) ? true : truths.includes(null) ? null : false);`,
  negate: `const negate = (truth: Truth): Truth => (truth === null ? null : !truth);`,
  lift: `const lift = <A, B>(a: A | null, b: B | null, test: (a: A, b: B) => boolean): Truth =>
  a === null || b === null ? null : test(a, b);`,
}
