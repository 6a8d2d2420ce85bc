/**
 * Prisma's adapter for pg, as far as its schema engine needs it mended: a migration is sent whole, as Prisma's own connector does it (the
 * adapter splits it at every semicolon, those inside bodies too), and columns of type "char" are understood.
 */
import { PrismaPg } from '@prisma/adapter-pg'
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils'

/** `pg_type.oid` of "char" and of text. */
const [char, text] = [18, 25]

interface Adapter {
  readonly client: { query(text: string): Promise<unknown> }
  executeScript(script: string): Promise<void>
  performIO(query: unknown): Promise<{ readonly fields: { dataTypeID: number }[] }>
  queryRaw(query: unknown): Promise<{ readonly columnTypes: number[] }>
}

export class WholeScript extends PrismaPg {
  constructor(url: string) {
    const { hostname, port, username, password, pathname } = new URL(url)
    super({ host: hostname, port: Number(port), user: username, password, database: pathname.slice(1) })
  }

  override async connect() {
    const connected = await super.connect()
    mend(connected as unknown as Adapter)
    return connected
  }
}

function mend(adapter: Adapter): void {
  const [performIO, queryRaw] = [adapter.performIO.bind(adapter), adapter.queryRaw.bind(adapter)]
  let chars: boolean[] = []
  adapter.executeScript = async (script) => void (await adapter.client.query(script))
  adapter.performIO = async (query) => {
    const result = await performIO(query)
    chars = result.fields.map((field) => field.dataTypeID === char)
    for (const field of result.fields) if (field.dataTypeID === char) field.dataTypeID = text
    return result
  }
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    const columnTypes = result.columnTypes.map((type, i) => (chars[i] === true ? ColumnTypeEnum.Character : type))
    return { ...result, columnTypes }
  }
}
