/**
 * PostgreSQL's geometric types as values.
 *
 * Owns their text. Geography is not theirs: see tenon/geo.
 */
import type { Codec } from '../kernel/codec.ts'
import { assertNumbers, isTagged, numberText, readNumber, refuseText, refuseValue } from './value-text.ts'

/** What the geometric types have in common. */
abstract class Shape {
  /** The name of its type in SQL. */
  abstract get sqlType(): string

  abstract toPostgres(): string

  toString(): string {
    return this.toPostgres()
  }
}

/** A point. @example `new Point(1, 2.5)` is `(1,2.5)` */
export class Point extends Shape {
  readonly x: number
  readonly y: number

  /** @throws {TenonError} PARAMETER_INVALID when one of them is no number */
  constructor(x: number, y: number) {
    super()
    assertNumbers([x, y], 'a point')
    this.x = x
    this.y = y
  }

  toPostgres(): string {
    return `(${numberText(this.x)},${numberText(this.y)})`
  }

  get sqlType(): 'point' {
    return 'point'
  }

  get [Symbol.toStringTag](): string {
    return 'Point'
  }
}

/** A line without ends, `ax + by + c = 0`. */
export class Line extends Shape {
  readonly a: number
  readonly b: number
  readonly c: number

  /** @throws {TenonError} PARAMETER_INVALID when one of them is no number, or a and b are both zero */
  constructor(a: number, b: number, c: number) {
    super()
    assertNumbers([a, b, c], 'a line')
    if (a === 0 && b === 0) refuseValue('a line has zero for a and b', 'One of them says where it goes.')
    this.a = a
    this.b = b
    this.c = c
  }

  toPostgres(): string {
    return `{${[this.a, this.b, this.c].map(numberText).join(',')}}`
  }

  get sqlType(): 'line' {
    return 'line'
  }

  get [Symbol.toStringTag](): string {
    return 'Line'
  }
}

/** A line from one point to another. */
export class LineSegment extends Shape {
  readonly start: Point
  readonly end: Point

  constructor(start: Point, end: Point) {
    super()
    assertPoints([start, end], 'a line segment')
    this.start = start
    this.end = end
  }

  toPostgres(): string {
    return `[${pointsText([this.start, this.end])}]`
  }

  get sqlType(): 'lseg' {
    return 'lseg'
  }

  get [Symbol.toStringTag](): string {
    return 'LineSegment'
  }
}

/** A box by two opposite corners; the server gives the upper right and the lower left one. */
export class Box extends Shape {
  readonly upperRight: Point
  readonly lowerLeft: Point

  constructor(corner: Point, opposite: Point) {
    super()
    assertPoints([corner, opposite], 'a box')
    // As the server orders them; NaN is above all.
    const [left, right] = ordered(corner.x, opposite.x)
    const [bottom, top] = ordered(corner.y, opposite.y)
    this.upperRight = new Point(right, top)
    this.lowerLeft = new Point(left, bottom)
  }

  toPostgres(): string {
    return pointsText([this.upperRight, this.lowerLeft])
  }

  get sqlType(): 'box' {
    return 'box'
  }

  get [Symbol.toStringTag](): string {
    return 'Box'
  }

  /** box is the one type whose arrays have semicolons. */
  get arrayDelimiter(): ';' {
    return ';'
  }
}

/** Points with lines between them, open or closed. */
export class Path extends Shape {
  readonly points: readonly Point[]
  readonly isClosed: boolean

  /** @throws {TenonError} PARAMETER_INVALID without points */
  constructor(points: readonly Point[], isClosed: boolean) {
    super()
    assertPoints(points, 'a path')
    if (typeof isClosed !== 'boolean') refuseValue('a path is neither open nor closed', 'Pass true or false second.')
    this.points = [...points]
    this.isClosed = isClosed
  }

  toPostgres(): string {
    return this.isClosed ? `(${pointsText(this.points)})` : `[${pointsText(this.points)}]`
  }

  get sqlType(): 'path' {
    return 'path'
  }

  get [Symbol.toStringTag](): string {
    return 'Path'
  }
}

/** Points with lines between them, and what these enclose. */
export class Polygon extends Shape {
  readonly points: readonly Point[]

  /** @throws {TenonError} PARAMETER_INVALID without points */
  constructor(points: readonly Point[]) {
    super()
    assertPoints(points, 'a polygon')
    this.points = [...points]
  }

  toPostgres(): string {
    return `(${pointsText(this.points)})`
  }

  get sqlType(): 'polygon' {
    return 'polygon'
  }

  get [Symbol.toStringTag](): string {
    return 'Polygon'
  }
}

/** A circle by its center and radius. */
export class Circle extends Shape {
  readonly x: number
  readonly y: number
  readonly radius: number

  /** @throws {TenonError} PARAMETER_INVALID when one of them is no number, or the radius is negative */
  constructor(x: number, y: number, radius: number) {
    super()
    assertNumbers([x, y, radius], 'a circle')
    if (radius < 0) refuseValue('the radius of a circle is negative', 'Pass zero or more.')
    this.x = x
    this.y = y
    this.radius = radius
  }

  get center(): Point {
    return new Point(this.x, this.y)
  }

  toPostgres(): string {
    return `<(${numberText(this.x)},${numberText(this.y)}),${numberText(this.radius)}>`
  }

  get sqlType(): 'circle' {
    return 'circle'
  }

  get [Symbol.toStringTag](): string {
    return 'Circle'
  }
}

/** Any of the geometric values. */
export type GeometricValue = Point | Line | LineSegment | Box | Path | Polygon | Circle

/** The type in SQL of a geometric value, whichever copy of the package made it; undefined of anything else. */
export function sqlTypeOf(value: object): string | undefined {
  const type = 'sqlType' in value ? value.sqlType : undefined
  // It becomes part of the text, and what came as JSON may have a field of that name.
  return typeof type === 'string' && Object.hasOwn(frames, type) ? type : undefined
}

function ordered(a: number, b: number): readonly [number, number] {
  return a < b || (Number.isNaN(b) && !Number.isNaN(a)) ? [a, b] : [b, a]
}

function assertPoints(points: readonly unknown[], what: string): void {
  if (!Array.isArray(points) || points.length === 0 || !points.every((point) => isTagged(point, 'Point')))
    refuseValue(`${what} is made of points`, 'Pass values of new Point(x, y).')
}

function pointsText(points: readonly Point[]): string {
  return points.map((point) => point.toPostgres()).join(',')
}

/** The numbers of a text whose shape the server made: `what` is for the error. */
function numbersOf(text: string, what: string, frame: RegExp): readonly number[] {
  if (!frame.test(text)) refuseText(what)
  return text
    .replace(/[^\w.+,-]/g, '')
    .split(',')
    .map((word) => readNumber(word, what))
}

const number = '[\\w.+-]+'
const point = `\\(${number},${number}\\)`
const points = `${point}(?:,${point})*`
const frames = {
  point: new RegExp(`^${point}$`),
  line: new RegExp(`^\\{${number},${number},${number}\\}$`),
  lseg: new RegExp(`^\\[${point},${point}\\]$`),
  box: new RegExp(`^${point},${point}$`),
  path: new RegExp(`^(?:\\(${points}\\)|\\[${points}\\])$`),
  polygon: new RegExp(`^\\(${points}\\)$`),
  circle: new RegExp(`^<${point},${number}>$`),
}

function pointsOf(numbers: readonly number[]): readonly [Point, Point, ...Point[]] {
  // The shape of the text says how many there are.
  return Array.from(
    { length: numbers.length / 2 },
    (_, i) => new Point(numbers[2 * i] ?? 0, numbers[2 * i + 1] ?? 0),
  ) as unknown as readonly [Point, Point, ...Point[]]
}

const parsers: Readonly<Record<string, (text: string) => GeometricValue>> = {
  point: (text) => pointsOf(numbersOf(text, 'a point', frames.point))[0],
  line: (text) => {
    const [a = 0, b = 0, c = 0] = numbersOf(text, 'a line', frames.line)
    return new Line(a, b, c)
  },
  lseg: (text) => new LineSegment(...twoOf(pointsOf(numbersOf(text, 'a line segment', frames.lseg)))),
  box: (text) => new Box(...twoOf(pointsOf(numbersOf(text, 'a box', frames.box)))),
  path: (text) => new Path(pointsOf(numbersOf(text, 'a path', frames.path)), text.startsWith('(')),
  polygon: (text) => new Polygon(pointsOf(numbersOf(text, 'a polygon', frames.polygon))),
  circle: (text) => {
    const [x = 0, y = 0, radius = 0] = numbersOf(text, 'a circle', frames.circle)
    return new Circle(x, y, radius)
  },
}

const twoOf = ([a, b]: readonly [Point, Point, ...Point[]]): [Point, Point] => [a, b]

/**
 * Reads point, line, lseg, box, path, polygon and circle as values that write themselves back.
 *
 * @example
 * ```ts
 * const db = createDatabase({ connection, metadata, codecs: [geometricCodec] })
 * ```
 */
export const geometricCodec: Codec = {
  name: 'geometric',
  parserOf: ({ schema, name }) => (schema === 'pg_catalog' && Object.hasOwn(parsers, name) ? parsers[name] : undefined),
}
