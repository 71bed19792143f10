import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stateKeyOf } from '../../../../connectors/log/kafka/changelog.ts'
import {
  openStateCache,
  staleMs,
  type PlacedEntry,
  type StateCache,
} from '../../../../connectors/log/kafka/state-cache.ts'

const value = (text: string): Uint8Array => Buffer.from(text)
const entry = (key: string, text: string | null, offset: number): PlacedEntry => ({
  key: stateKeyOf(key),
  value: text === null ? null : value(text),
  offset,
})

describe('the copy of a changelog', () => {
  let dir = ''
  let opened: StateCache[] = []
  let now = 0
  let number = 0
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'relay-state-'))
    now = 1_700_000_000_000
  })
  afterEach(() => {
    for (const cache of opened) cache.close()
    opened = []
    rmSync(dir, { recursive: true, force: true })
  })
  const open = (log = 'cluster one.'): StateCache => {
    const cache = openStateCache({ dir, log, now: () => now })
    opened.push(cache)
    return cache
  }
  const close = (cache: StateCache): void => {
    cache.close()
    opened = opened.filter((each) => each !== cache)
  }
  const get = (cache: StateCache, key: string): string | undefined => {
    const found = cache.partition('state', 0).state.get(key)
    return found === undefined ? undefined : Buffer.from(found).toString()
  }

  it('keeps the write with the higher offset, whether the owner or the reader brought it', () => {
    const cache = open()
    const partition = cache.partition('state', 0)
    partition.write([entry('a', 'newer', 7)])
    partition.read([entry('a', 'older', 3), entry('b', 'read', 4)], 5)
    expect([get(cache, 'a'), get(cache, 'b')]).toEqual(['newer', 'read'])
    partition.read([entry('a', 'newest', 9)], 10)
    expect(get(cache, 'a')).toBe('newest')
  })

  it.each([1, 15, 16, 17, 33, 100])('keeps %i entries that come at once as it does one by one', (count) => {
    const cache = open()
    const partition = cache.partition('state', 0)
    const named = (of: string, offset: (n: number) => number) =>
      Array.from({ length: count }, (_, n) => entry(`${n}`, `${of} ${n}`, offset(n)))
    const all = (): readonly (string | undefined)[] => Array.from({ length: count }, (_, n) => get(cache, `${n}`))
    partition.write(named('own', (n) => 1000 + n))
    expect(all()).toEqual(named('own', () => 0).map(({ value: bytes }) => Buffer.from(bytes ?? []).toString()))
    // Every second one is older than what stands; each third is deleted.
    partition.read(
      named('read', (n) => (n % 2 === 0 ? 500 + n : 2000 + n)).map((each, n) =>
        n % 3 === 0 ? { ...each, value: null } : each,
      ),
      3000,
    )
    const wanted = (n: number): string | undefined => {
      if (n % 2 === 0) return `own ${n}`
      return n % 3 === 0 ? undefined : `read ${n}`
    }
    expect(all()).toEqual(Array.from({ length: count }, (_, n) => wanted(n)))
  })

  it('does not bring back what was deleted while the reader is behind', () => {
    const cache = open()
    const partition = cache.partition('state', 0)
    partition.write([entry('a', 'value', 2)])
    partition.write([entry('a', null, 6)])
    expect(get(cache, 'a')).toBeUndefined()
    partition.read([entry('a', 'value', 2)], 3)
    expect(get(cache, 'a')).toBeUndefined()
    expect([...partition.state.range('', '~')]).toEqual([])
    partition.read([entry('a', null, 6)], 7)
    expect(get(cache, 'a')).toBeUndefined()
  })

  it('goes on where it stood', () => {
    const cache = open()
    cache.partition('state', 0).read([entry('a', 'kept', 1)], 42)
    close(cache)
    const again = open()
    expect(again.partition('state', 0).position()).toBe(42)
    expect(again.partition('state', 1).position()).toBeUndefined()
    expect(get(again, 'a')).toBe('kept')
  })

  it('begins anew when it was left alone for so long that marks of deletions may be gone', () => {
    const cache = open()
    cache.partition('state', 0).read([entry('a', 'deleted since', 1)], 42)
    close(cache)
    now += staleMs + 1
    const again = open()
    expect(again.partition('state', 0).position()).toBeUndefined()
    expect(get(again, 'a')).toBeUndefined()
  })

  it('keeps what was read for others and itself when it is closed, in the state that it would have come to', () => {
    const cache = open()
    const partition = cache.partition('state', 0)
    partition.read([entry('a', 'first', 0), entry('b', 'kept', 1)], 2)
    partition.write([entry('c', 'own', 2), entry('d', 'own', 3)])
    partition.write([entry('d', null, 4)])
    partition.read(
      [entry('a', null, 5), entry('c', 'own', 2), entry('d', 'own', 3), entry('d', null, 4)].toSorted(
        (x, y) => x.offset - y.offset,
      ),
      6,
    )
    close(cache)
    const again = open()
    expect(again.partition('state', 0).position()).toBe(6)
    expect(['a', 'b', 'c', 'd'].map((key) => get(again, key))).toEqual([undefined, 'kept', 'own', undefined])
    expect([...again.partition('state', 0).state.range('', '~')].map(([key]) => key)).toEqual(['b', 'c'])
  })

  it('shows at once what was read, in the order of its keys', () => {
    const partition = open().partition('state', 0)
    partition.read([entry('b', '2', 0), entry('a', '1', 1)], 2)
    expect([...partition.state.range('', '~')].map(([key]) => key)).toEqual(['a', 'b'])
    partition.read([entry('a', null, 2)], 3)
    expect([...partition.state.range('', '~')].map(([key]) => key)).toEqual(['b'])
  })

  it('comes to the same, whoever brings what is written, and whenever it is looked at', () => {
    const write = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      text: fc.option(fc.stringMatching(/^[a-z]$/)),
      by: fc.constantFrom('owner', 'another'),
      read: fc.boolean(),
      look: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), fc.boolean(), (writes, isClosed) => {
        const cache = openStateCache({ dir, log: `log ${++number}.`, now: () => now })
        const partition = cache.partition('state', 0)
        const wanted = new Map<string, string>()
        const log: PlacedEntry[] = []
        let next = 0
        const shown = (of: StateCache): readonly (readonly [string, string])[] =>
          [...of.partition('state', 0).state.range('', '~')].map(([key, bytes]) => [key, Buffer.from(bytes).toString()])
        const sorted = () => [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1))
        for (const { key, text, by, read, look } of writes) {
          const written = entry(key, text, log.length)
          log.push(written)
          if (by === 'owner') {
            // Whoever owns it has read everything of others before.
            partition.read(log.slice(next, -1), log.length - 1)
            next = log.length - 1
            partition.write([written])
          }
          if (text === null) wanted.delete(key)
          else wanted.set(key, text)
          if (read || by === 'another') {
            partition.read(log.slice(next), log.length)
            next = log.length
          }
          if (look) expect(shown(cache)).toEqual(sorted())
        }
        expect(shown(cache)).toEqual(sorted())
        cache.close()
        if (!isClosed) return
        const again = openStateCache({ dir, log: `log ${number}.`, now: () => now })
        again.partition('state', 0).read(log.slice(again.partition('state', 0).position() ?? 0), log.length)
        expect(shown(again)).toEqual(sorted())
        again.close()
      }),
      { numRuns: 60 },
    )
  })

  it('is not taken for that of another log', () => {
    const cache = open()
    cache.partition('state', 0).read([entry('a', 'of one', 1)], 42)
    close(cache)
    expect(get(open('cluster two.'), 'a')).toBeUndefined()
  })

  it('is of one process alone: a second one gets its own in the same directory', () => {
    const [one, two] = [open(), open()]
    one.partition('state', 0).write([entry('a', 'of one', 1)])
    expect(get(two, 'a')).toBeUndefined()
  })
})
