/**
 * What ends the process of a naive session, or breaks its other connections, is an error of one statement here: COPY, values
 * beyond every limit, a connection that dies while it is held. All of it happens in processes of its own.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CrashProgram, type Ending, runPrograms, type Survival, type Urls } from '../../support/crash-programs.ts'
import { type Ground, powerlessLogin } from '../../support/two-tenants.ts'

describe('The process survives', () => {
  let ground: Ground
  let urls: Urls
  let ending: Ending
  beforeAll(async () => {
    ground = await powerlessLogin.open()
    urls = { admin: ground.adminUrl ?? '', login: ground.loginUrl ?? '' }
    ending = await runPrograms('ours', urls)
  })
  afterAll(() => ground.close())

  const refusedAndUsable = ['STATEMENT_INVALID', 'resolved', 'STATEMENT_INVALID', 'resolved']
  const survived: readonly (readonly [name: CrashProgram, saw: readonly unknown[]])[] = [
    ['copy to stdout', refusedAndUsable],
    ['copy from stdin', refusedAndUsable],
    // As one statement, as a batch; the memory was never taken; and a text that is a little over the limit.
    ['a bind of more than 2 GiB', ['LIMIT_BYTES', 'LIMIT_BYTES', 'resolved', true, 'LIMIT_BYTES']],
    ['a value longer than the longest string', ['LIMIT_RESULT', 'resolved']],
    ['a connection that is killed while it is held', ['CONNECTION_LOST', 'resolved']],
  ]
  it.each(survived)('%s, and the next query is answered', (name, saw) => {
    expect(ending.end).toBe('finished')
    // The shape is what `ours` returns, printed and read as JSON.
    expect((ending.saw as Survival)[name]).toEqual(saw)
  })

  const crashes: readonly (readonly [name: CrashProgram, uncaught: RegExp])[] = [
    ['copy to stdout', /handleCopyData is not a function/],
    ['copy from stdin', /handleCopyInResponse is not a function/],
    ['a value longer than the longest string', /ERR_STRING_TOO_LONG/],
    ['a connection that is killed while it is held', /Unhandled 'error' event/],
  ]
  it.each(crashes)('as a control, with pg alone %s is an uncaught exception', async (name, uncaught) => {
    expect(await runPrograms(name, urls)).toMatchObject({ end: 'crashed', uncaught: expect.stringMatching(uncaught) })
  })

  it('as a control, with pg alone a bind of more than 2 GiB breaks the other connections of the process', async () => {
    const control = await runPrograms('a bind of more than 2 GiB', urls)
    expect(control.end === 'finished' && control.saw === 'resolved').toBe(false)
  })
})
