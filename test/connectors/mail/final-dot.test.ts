import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type DotTerms, writeWithGuardedEnd } from '../../../connectors/mail/final-dot.ts'

interface SlowSocket {
  readonly socket: Writable
  readonly written: () => string
  /** Lets everything out that is held, and what follows. */
  open(): void
}

/** A connection that takes nothing until it is opened. */
const slowSocket = (heard: (text: string) => void): SlowSocket => {
  let written = ''
  let shut = true
  let release = (): void => undefined
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written += chunk.toString('latin1')
      heard(chunk.toString('latin1'))
      if (shut) release = done
      else done()
    },
  })
  return {
    socket,
    written: () => written,
    open: () => {
      shut = false
      release()
    },
  }
}

const world = (pieces: Iterable<Buffer>, terms: Partial<DotTerms>) => {
  const heard: string[] = []
  const slow = slowSocket((text) => void (text === '' || heard.push(text === '.\r\n' ? 'dot' : 'body')))
  const ended = Promise.withResolvers<void>()
  let isGivenUp = false
  writeWithGuardedEnd(slow.socket, pieces, {
    isGivenUp: () => isGivenUp,
    mayEnd: () => {
      heard.push('asked')
      queueMicrotask(() => {
        heard.push('later')
        ended.resolve()
      })
      return true
    },
    onProgress: () => undefined,
    onDot: () => heard.push('about to'),
    onLate: () => heard.push('late'),
    onError: () => heard.push('error'),
    ...terms,
  })
  const giveUp = (): void => {
    isGivenUp = true
  }
  return { ...slow, giveUp, heard, ended: ended.promise }
}

const turnsOfTheLoop = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

const largeBody = (): Buffer[] => Array.from({ length: 20 }, () => Buffer.from(`${'x'.repeat(50_000)}\r\n`))

describe('the end of a body', () => {
  it('is asked for when everything before it has left, and written within the same call', async () => {
    const { heard, open, ended, written } = world(largeBody(), {})
    await turnsOfTheLoop(20)
    expect(heard).toEqual(['body'])
    open()
    await ended
    expect(heard.slice(-4)).toEqual(['asked', 'about to', 'dot', 'later'])
    expect(heard.filter((each) => each === 'asked')).toHaveLength(1)
    expect(written()).toBe(`${largeBody().join('')}.\r\n`)
  })

  it('is never written when it is too late', async () => {
    const { heard, open, written } = world(largeBody(), { mayEnd: () => false })
    open()
    await turnsOfTheLoop(50)
    expect(heard.at(-1)).toBe('late')
    expect(written()).toBe(largeBody().join(''))
  })

  it('is not asked for when the body was given up', async () => {
    const { heard, open, giveUp } = world(largeBody(), {})
    await turnsOfTheLoop(5)
    giveUp()
    open()
    await turnsOfTheLoop(50)
    expect(heard).not.toContain('asked')
  })

  it('is asked for at once when the system took everything at once', () => {
    const socket = new Writable({ write: (_chunk, _encoding, done) => done() })
    let isDotWritten = false
    const mayEnd = (): boolean => socket.writableLength === 0
    const ignore = (): void => undefined
    const terms = { isGivenUp: () => false, mayEnd, onProgress: ignore, onLate: ignore, onError: ignore }
    writeWithGuardedEnd(socket, largeBody(), { ...terms, onDot: () => (isDotWritten = true) })
    expect(isDotWritten).toBe(true)
  })

  it.each([
    ['within a piece', [Buffer.from('a\r\n.\r\nb\r\n')]],
    ['where a piece begins', [Buffer.from('a\r\n'), Buffer.from('.\r\nb\r\n')]],
  ])('is never written by the message itself, %s', async (_where, pieces) => {
    const { heard, open, written } = world(pieces, {})
    open()
    await turnsOfTheLoop(10)
    expect(heard.at(-1)).toBe('error')
    expect(written()).not.toContain('\r\n.')
  })

  it('is not asked for when composing fails on the way', async () => {
    const failing = function* (): Generator<Buffer> {
      yield Buffer.from('x\r\n')
      throw new Error('gone')
    }
    const { heard, open } = world(failing(), {})
    open()
    await turnsOfTheLoop(10)
    expect(heard).toEqual(['body', 'error'])
  })
})
