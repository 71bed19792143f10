import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const folder = new URL('../operators/', import.meta.url)
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

/** What virtual time cannot see, or what makes a replay answer otherwise. Direction is checked by dependency-cruiser. */
const forbidden: readonly (readonly [string, RegExp])[] = [
  ['promises', /\bPromise\b|\basync\b|\bawait\b|\bfirstValueFrom\b|\blastValueFrom\b/],
  ['the machine’s clock', /\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bprocess\b/],
  ['timers', /\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bqueueMicrotask\b/],
  ['chance', /\bMath\.random\b|\brandomUUID\b/],
]

const codeOf = (text: string): string => text.replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, '')

describe('the operators', () => {
  it('are there', () => expect(sources.length).toBeGreaterThan(15))

  it.each(forbidden)('know no %s', (_, pattern) => {
    const guilty = sources.filter((file) => pattern.test(codeOf(readFileSync(new URL(file, folder), 'utf8'))))
    expect(guilty).toEqual([])
  })

  it.each([
    ['async function f() {}', 0],
    ['const now = Date.now()', 1],
    ['setTimeout(call, 1)', 2],
    ['Math.random()', 3],
  ] as const)('would be found out: %s', (code, n) => expect(forbidden[n]?.[1].test(codeOf(code))).toBe(true))
})
