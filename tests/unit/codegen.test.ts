/** The parts of the code generator that need no server: patterns, checks, query trees and names. */
import { describe, expect, it } from 'vitest'
import { CheckTranslator } from '../../src/codegen/check-expression.ts'
import type { CheckValue } from '../../src/codegen/check-values.ts'
import { createNameMapper, TypeNames, toDocComment, toPascalCase, toPropertyKey } from '../../src/codegen/names.ts'
import { parseNodeTree } from '../../src/codegen/node-tree.ts'
import { toJavaScriptPattern, toLikePattern } from '../../src/codegen/patterns.ts'
import { relationsOf } from '../../src/codegen/relations.ts'
import type { ForeignKeyMetadata, TableMetadata } from '../../src/metadata/index.ts'

describe('toJavaScriptPattern', () => {
  it.each([
    ['^[^@ ]+@[^@ ]+$', '/^[\\^@ ]+@[^@ ]+$/su'.replace('[\\^', '[^')],
    ['^\\d{5}$', '/^[0-9]{5}$/su'],
    ['a|b(c|d)?', '/a|b(?:c|d)?/su'],
    ['(?:x)*?', '/(?:x)*/su'],
    ['^[a-z]+(-[a-z]+)*$', '/^[a-z]+(?:-[a-z]+)*$/su'],
    ['([0-9]+[.]){3}[0-9]', '/(?:[0-9]+[.]){3}[0-9]/su'],
    ['(ab)+(c+)?', '/(?:ab)+(?:c+)?/su'],
    ['', '/(?:)/su'],
    ['[]a]', '/[\\]a]/su'],
    ['[a\\-z]', '/[a\\-z]/su'],
    ['a/b', '/a\\/b/su'],
    ['\\.', '/\\./su'],
    ['\n', '/\\u{a}/su'],
  ])('takes %j', (pattern, expected) => {
    expect(toJavaScriptPattern(pattern, false)).toBe(expected)
  })

  it.each([
    '[[:alpha:]]',
    '\\w+',
    '\\s',
    '\\y',
    '(a)\\1',
    '(?=a)',
    '(?i)a',
    '***=a',
    'a**',
    '*a',
    'a{2',
    'a{2,1}',
    'a{300}',
    '(a',
    'a)',
    '[a',
    '[z-a]',
    'a\\',
    '[\\w]',
    // JavaScript would try every way to split a text over these.
    '(a+)+',
    '(a|b)*',
    '(a+-?)*',
    '(a+a+-)*',
    '(a[ab]+)*',
    '((ab)+c)*',
    '(é+[^a])*',
  ])('leaves %j to the server', (pattern) => {
    expect(toJavaScriptPattern(pattern, false)).toBeUndefined()
  })

  it('folds the case of ASCII letters only', () => {
    expect(toJavaScriptPattern('^a1[b-d_]$', true)).toBe('/^[aA]1[b-dB-D_]$/su')
    expect(toJavaScriptPattern('é', true)).toBeUndefined()
    expect(toJavaScriptPattern('[X-c]', true)).toBeUndefined()
  })

  it('takes LIKE', () => {
    expect(toLikePattern('a%_\\%.')).toBe('/^a.*.%\\.$/su')
    expect(toLikePattern('%a%b_%')).toBe('/^(?=(.*?a))\\1(?=(.*?b.))\\2.*$/su')
    expect(toLikePattern('a\\')).toBeUndefined()
  })
})

describe('CheckTranslator', () => {
  const columns: Readonly<Record<string, CheckValue>> = {
    n: { code: 'n', kind: 'int', nullable: false },
    m: { code: 'm', kind: 'int', nullable: true },
    d: { code: 'd', kind: 'decimal', nullable: false },
    s: { code: 's', kind: 'text', nullable: false, deterministic: true },
    c: { code: 'c', kind: 'text', nullable: false, deterministic: false },
    b: { code: 'b', kind: 'truth', nullable: false },
    j: { code: 'j', kind: 'json', nullable: false },
  }
  it.each([
    ['(n > 0)', 'n > 0'],
    ["(n >= '-5'::integer)", 'n >= -5'],
    ['((n > 0) AND (n < 10))', '(n > 0 && n < 10)'],
    ['(m > 0)', 'lift(m, 0, (a, b) => a > b)'],
    ['(d > (0)::numeric)', 'compare(d, 0) > 0'],
    ['(d < 0.5)', 'compare(d, "0.5") < 0'],
    ["(s = ANY (ARRAY['a'::text, 'b'::text]))", '["a", "b"].includes(s)'],
    ["((s)::text <> ''::text)", 's !== ""'],
    ["(s ~ '^a+$'::text)", 'matches(/^a+$/su, s)'],
    ['(length(s) > 3)', '[...s].length > 3'],
    ['(NOT b)', '!(b)'],
    ['(b IS NOT TRUE)', '(b !== true)'],
    ['(m IS NULL)', '(m === null)'],
    ["(jsonb_typeof(j) = 'object'::text)", 'jsonTypeOf(j) === "object"'],
    ['(num_nonnulls(n, m) = 1)', '[n, m].filter((item) => item !== null).length === 1'],
  ])('translates %s', async (sql, code) => {
    const translator = await CheckTranslator.create()
    expect((await translator.condition(sql, (name) => columns[name]))?.code).toBe(code)
  })

  it.each([
    '(n > other)',
    '(n > random())',
    '(n OPERATOR(public.>) 0)',
    '(public.length(s) > 3)',
    "(c = 'a'::text)",
    "(s > 'a'::text)",
    '((n % 2) = 0)',
    '(lower(s) = s)',
    "(s ~ '\\w'::text)",
    '((d)::double precision > 0.5)',
    '((d)::bigint > 5)',
    '((d)::numeric > 0.5)',
    '(n = ANY (ARRAY[1, NULL]))',
    "(d = '1 day'::interval)",
    'n',
    '(select 1) > 0',
    '((s)::varchar(2) = s)',
    'not sql at all (',
  ])('leaves %s to the server', async (sql) => {
    const translator = await CheckTranslator.create()
    expect(await translator.condition(sql, (name) => columns[name])).toBeUndefined()
  })
})

describe('parseNodeTree', () => {
  it('reads nodes, lists, nothing, constants and protected characters', () => {
    expect(
      parseNodeTree(
        '({A :one 1 :two <> :three (b 1 2) :name odd\\ \\{name :colon :x :value 4 [ 16 0 ] :last ("q" "r\\"s")})',
      ),
    ).toEqual([
      {
        kind: 'A',
        fields: new Map<string, unknown>([
          ['one', '1'],
          ['two', undefined],
          ['three', ['b', '1', '2']],
          ['name', 'odd {name'],
          ['colon', ':x'],
          ['value', '4'],
          ['last', ['q', 'r"s']],
        ]),
      },
    ])
  })

  it.each(['', '{A :one', '({A :one 1}', '{A one 1}', '{A :one )}', '1 2'])('refuses %j', (text) => {
    expect(() => parseNodeTree(text)).toThrow(SyntaxError)
  })
})

describe('names', () => {
  it('makes identifiers of anything, each once', () => {
    expect(
      ['user_names', 'a-b c', '2fast', '😀', 'Übung', '__proto__', 'HTTPServer', 'x²', 'a"; throw 1; //'].map(
        toPascalCase,
      ),
    ).toEqual(['UserNames', 'ABC', '_2fast', 'Unnamed', 'Übung', 'Proto', 'HTTPServer', 'X', 'AThrow1'])
    const names = new TypeNames(['Mine'])
    expect(['users', 'users', 'Date', 'mine', 'users_row', 'DB'].map((name) => names.take(name))).toEqual([
      'Users',
      'Users2',
      'Date2',
      'Mine2',
      'UsersRow2',
      'DB2',
    ])
  })

  it('quotes keys that need it', () => {
    expect(['a', 'a b', '__proto__', '2', '"', 'class', '😀'].map(toPropertyKey)).toEqual([
      'a',
      '"a b"',
      '["__proto__"]',
      '"2"',
      '"\\""',
      'class',
      '"😀"',
    ])
  })

  it('never lets a comment end early', () => {
    expect(toDocComment('a */ b', '')).toBe('/** a *\\/ b */\n')
    expect(toDocComment('a\u2028b\rc', '  ')).toBe('  /**\n   * a b\n   * c\n   */\n')
    expect(toDocComment('', '')).toBe('')
  })

  it('asks Kysely’s plugin for camel case', () => {
    const mapper = createNameMapper(true)
    expect(['user_name', 'x_2', 'Mixed'].map((name) => [mapper.toKey(name), mapper.isReached(name)])).toEqual([
      ['userName', true],
      ['x2', false],
      ['Mixed', false],
    ])
    expect(createNameMapper(false).toKey('user_name')).toBe('user_name')
  })
})

describe('relationsOf', () => {
  const column = (name: string, nullable = false) => ({
    name,
    type: 'int',
    typeName: 'pg_catalog.int4',
    ...(nullable ? { nullable: true as const } : {}),
  })
  const table = (
    name: string,
    columns: readonly ReturnType<typeof column>[],
    primaryKey: readonly string[],
    foreignKeys: readonly (readonly [column: string, table: string, cardinality?: 'one-to-one'])[],
  ): TableMetadata => ({
    key: name,
    schema: 'public',
    name,
    kind: 'table',
    columns: Object.fromEntries(columns.map((each) => [each.name, each])),
    primaryKey,
    uniqueKeys: [],
    foreignKeys: foreignKeys.map(
      ([own, target, cardinality]): ForeignKeyMetadata => ({
        name: `${name}_${own}_fkey`,
        columns: [own],
        schema: 'public',
        table: target,
        referencedColumns: ['id'],
        cardinality: cardinality ?? 'many-to-one',
      }),
    ),
    relations: {},
    indexes: [],
    checks: [],
    rowSecurity: 'off',
    policies: [],
  })
  const id = column('id')

  it('names them after what they lead to, apart where two lead to the same', () => {
    const relations = relationsOf([
      table('users', [id, column('boss_id', true), column('tags')], ['id'], [['boss_id', 'users']]),
      table(
        'messages',
        [id, column('sender_id'), column('recipient_id'), column('author')],
        ['id'],
        [
          ['sender_id', 'users'],
          ['recipient_id', 'users'],
          ['author', 'users'],
        ],
      ),
      table('settings', [column('user_id')], ['user_id'], [['user_id', 'users', 'one-to-one']]),
      table('tags', [id], ['id'], []),
      table(
        'user_tags',
        [column('user_id'), column('tag_id')],
        ['user_id', 'tag_id'],
        [
          ['user_id', 'users'],
          ['tag_id', 'tags'],
        ],
      ),
    ])
    const shown = (key: string) =>
      Object.entries(relations.get(key) ?? {}).map(([name, { kind, table: target, nullable, through }]) =>
        [name, kind, target, ...(nullable ? ['or none'] : []), ...(through ? [`through ${through.table}`] : [])].join(
          ' ',
        ),
      )
    expect(shown('users')).toEqual([
      'boss one users or none',
      'usersByBoss many users',
      'messagesBySender many messages',
      'messagesByRecipient many messages',
      'messagesByAuthor many messages',
      'settings one settings or none',
      'userTags many user_tags',
      // The column tags has its name already.
      'tagsThroughUserTags many tags through user_tags',
    ])
    // A column called like the row it points at keeps its name.
    expect(shown('messages')).toEqual(['sender one users', 'recipient one users', 'users one users'])
    expect(shown('tags')).toEqual(['userTags many user_tags', 'users many users through user_tags'])
    expect(shown('user_tags')).toEqual(['user one users', 'tag one tags'])
  })
})
