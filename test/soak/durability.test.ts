import { describe, expect, it } from 'vitest'
import { killAgainAndAgain } from './durability.ts'
import { canWatch, cutPower } from './power-loss.ts'
import { syncedLengths } from './synced-lengths.ts'

const silent = (): void => undefined

describe('an acknowledged commit', () => {
  it('outlives its process being killed under load, whole', async () => {
    expect(await killAgainAndAgain({ kills: 3, longestMs: 300, say: silent })).toEqual([])
  }, 60_000)

  const watched = canWatch()
    ? it
    : (name: string, _test: unknown, _ms: number) => it(`(not run, strace is missing) ${name}`, silent)

  watched(
    'is on the disk before it is acknowledged: it outlives a power cut',
    async () => {
      expect(await cutPower({ stops: 3, synchronous: undefined, say: silent })).toEqual({ copies: 3, wrong: [] })
    },
    60_000,
  )

  watched(
    'would not outlive one if the log were not told to sync: the comparison sees that',
    async () => {
      const { copies, wrong } = await cutPower({ stops: 1, synchronous: 'OFF', say: silent })
      expect(copies).toBe(1)
      expect(wrong.join('\n')).toMatch(/acknowledged appends are missing/)
    },
    60_000,
  )
})

describe('the synced length', () => {
  const file = '/data/log.db'
  const at = (...lines: string[]) => syncedLengths(lines.join('\n'), file)

  it('is what was written before the last sync, and begins anew with the write-ahead log', () => {
    const { stops, walBegun } = at(
      '7 pwrite64(5</data/log.db-wal>, "7\\177"..., 32, 0) = 32',
      '7 pwrite64(5</data/log.db-wal>, "\\0"..., 24, 32) = 24',
      '7 write(1<pipe:[1]>, "P 0\\n", 4) = 4',
      '7 fdatasync(5</data/log.db-wal> <unfinished ...>',
      '8 write(9</data/other>, "P 9\\n", 4) = 4',
      '7 <... fdatasync resumed>) = 0',
      '7 write(1<pipe:[1]>, "P 1\\n", 4) = 4',
      '7 pwrite64(4</data/log.db>, "SQLite f"..., 8192, 0) = 8192',
      '7 write(1<pipe:[1]>, "P 2\\n", 4) = 4',
      '7 fsync(4</data/log.db>) = 0',
      '7 pwrite64(5</data/log.db-wal>, "7\\177"..., 32, 0) = 32',
      '7 write(1<pipe:[1]>, "P 3\\n", 4) = 4',
    )
    expect([...stops]).toEqual([
      [0, { wal: 0, isDatabaseSynced: true }],
      [1, { wal: 56, isDatabaseSynced: true }],
      [2, { wal: 56, isDatabaseSynced: false }],
      [3, { wal: 0, isDatabaseSynced: true }],
    ])
    expect(walBegun).toBe(2)
  })

  it('is not guessed when the file is written in an unknown way', () => {
    expect(() => at('7 pwritev(5</data/log.db-wal>, [{}], 1, 32) = 24')).toThrow('not understood')
  })
})
