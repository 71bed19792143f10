import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownerKey, stateKeyOf } from '../../../../connectors/log/kafka/changelog.ts'
import type { PartitionReader, Source } from '../../../../connectors/log/kafka/partition-reader.ts'
import { openStandby, type Standby } from '../../../../connectors/log/kafka/standby.ts'
import { openStateCache, staleMs, type StateCache } from '../../../../connectors/log/kafka/state-cache.ts'
import { until } from '../log-world.ts'

const longMs = 3_600_000

describe('the standby of a topology', () => {
  let dir = ''
  let cache: StateCache
  let sources: Source[] = []
  let hurried: Set<Source>
  let calm: Set<Source>
  let now: number
  let end = 0
  let standby: Standby
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'relay-state-'))
    cache = openStateCache({ dir, log: 'cluster one.', now: () => now })
    sources = []
    hurried = new Set()
    calm = new Set()
    now = 1_700_000_000_000
    const refused = (): never => {
      throw new Error('nobody asks for it here')
    }
    const reader: PartitionReader = {
      add: (source) => {
        hurried.add(source)
        return () => void hurried.delete(source)
      },
      look: () => undefined,
      bounds: refused,
      boundsOf: refused,
      end: async () => end,
      offsetAt: refused,
      fetch: refused,
      close: async () => undefined,
    }
    const onDenied = refused
    const calmReader: PartitionReader = {
      ...reader,
      add: (source) => {
        sources.push(source)
        calm.add(source)
        return () => void calm.delete(source)
      },
    }
    standby = openStandby({ reader, calmReader, cache, changelog: 'state.reader', partitions: 2, onDenied })
  })
  afterEach(() => {
    standby.close()
    cache.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const isWarm = (idleMs: number): { readonly now: () => boolean; readonly warmed: Promise<void> } => {
    let yes = false
    const warmed = standby.warm(idleMs).then(() => void (yes = true))
    return { now: () => yes, warmed }
  }

  it('is warm when every partition was read to its end, and not before', async () => {
    const warm = isWarm(longMs)
    sources[0]?.reachedEnd?.()
    sources[0]?.reachedEnd?.()
    sources[1]?.take({
      records: [{ offset: 0, timestamp: 1, key: Buffer.from('sa'), value: Buffer.from('1') }],
      next: 1,
    })
    await Promise.resolve()
    expect([warm.now(), hurried.size]).toEqual([false, 2])
    sources[1]?.reachedEnd?.()
    await warm.warmed
    expect(hurried.size).toBe(0)
    expect(standby.partition(1).state.get('a')).toEqual(Buffer.from('1'))
  })

  it('is not waited for any longer when nothing comes', async () => {
    const warm = isWarm(50)
    sources[0]?.reachedEnd?.()
    await warm.warmed
    expect(warm.now()).toBe(true)
  })

  it('is not waited for when it is closed', async () => {
    const warm = isWarm(longMs)
    standby.close()
    await warm.warmed
    expect(warm.now()).toBe(true)
  })

  const page = (next: number, ...entries: readonly (readonly [key: string, value: string])[]): void =>
    sources[0]?.take({
      records: entries.map(([key, value], n) => ({
        offset: next - entries.length + n,
        timestamp: 1,
        key: Buffer.from(key),
        value: Buffer.from(value),
      })),
      next,
    })
  const kept = (): string => Buffer.from(standby.partition(0).state.get('a') ?? []).toString()

  it('says that another owner has come before it knows what that one wrote', () => {
    page(2, [ownerKey, 'mine'], [stateKeyOf('a'), 'of mine'])
    const seen: string[] = []
    standby.whileOwner(0, 'mine', () => seen.push(kept()))
    page(3, [stateKeyOf('a'), 'still of mine'])
    expect(seen).toEqual([])
    page(5, [ownerKey, 'of another'], [stateKeyOf('a'), 'of another'])
    expect([seen, kept()]).toEqual([['still of mine'], 'of another'])
    page(6, [ownerKey, 'of a third'])
    expect(seen).toHaveLength(1)
  })

  it('reads a partition at once while somebody waits for what stands in it, and no longer', async () => {
    const seen = standby.seen(0, 'mine', Promise.resolve(1), longMs)
    expect([...hurried]).toEqual([sources[0]])
    page(2, [ownerKey, 'mine'])
    await seen
    expect(hurried.size).toBe(0)
    await expect(standby.seen(1, 'lost', Promise.reject(new Error('not written')), longMs)).rejects.toThrow(
      'not written',
    )
    expect(hurried.size).toBe(0)
  })

  it('catches up with what stands in a partition, at once, and no longer', async () => {
    page(2, [stateKeyOf('a'), '1'])
    end = 4
    const caughtUp = standby.catchUp(0, longMs)
    await until(() => hurried.size === 1, 'reading', longMs)
    page(3, [stateKeyOf('a'), '2'])
    expect(hurried.size).toBe(1)
    page(4, [stateKeyOf('a'), '3'])
    sources[0]?.reachedEnd?.()
    await caughtUp
    expect([hurried.size, kept()]).toEqual([0, '3'])
    await standby.catchUp(0, longMs)
  })

  it('does not wait for what a dead owner has left open', async () => {
    page(2, [stateKeyOf('a'), '1'])
    end = 4
    const caughtUp = standby.catchUp(0, longMs)
    await until(() => hurried.size === 1, 'reading', longMs)
    sources[0]?.reachedEnd?.()
    await caughtUp
    expect([hurried.size, kept()]).toEqual([0, '1'])
  })

  it('is not the memory of a partition that ends before what was read of it', async () => {
    page(5, [stateKeyOf('a'), '1'])
    end = 4
    await expect(standby.catchUp(0, longMs)).rejects.toMatchObject({ code: 'LOG_DENIED' })
  })

  it('knows of a partition that it follows whether it was written to lately', () => {
    expect(standby.mayBeWritten(0, 0)).toBe(false)
    page(2, [stateKeyOf('a'), '1'])
    expect([standby.mayBeWritten(0, 0), standby.mayBeWritten(0, 1), standby.mayBeWritten(1, 0)]).toEqual([
      true,
      false,
      false,
    ])
    standby.follow(new Set([0]))
    expect(standby.mayBeWritten(1, 0)).toBe(true)
  })

  const followed = (): readonly number[] => [...calm].map(({ partition }) => partition).toSorted((a, b) => a - b)

  it('follows what it is told to, and goes on where it had left off', () => {
    expect(followed()).toEqual([0, 1])
    page(2, [stateKeyOf('a'), '1'])
    standby.follow(new Set([1]))
    expect(followed()).toEqual([1])
    standby.follow(new Set([0, 1]))
    expect(followed()).toEqual([0, 1])
    expect([sources[0]?.wants(), kept()]).toEqual([2, '1'])
  })

  it('reads anew what it left for so long that what was deleted meanwhile may be gone without a mark', () => {
    page(2, [stateKeyOf('a'), '1'])
    standby.follow(new Set([1]))
    now += staleMs + 1
    standby.follow(new Set([0, 1]))
    expect([sources[0]?.wants(), standby.partition(0).state.get('a')]).toEqual([0, undefined])
  })

  it('says at once that another owner has come already, and nothing to who looks no more', () => {
    page(2, [ownerKey, 'mine'], [ownerKey, 'of another'])
    let told = 0
    standby.whileOwner(0, 'mine', () => told++)
    expect(told).toBe(1)
    standby.whileOwner(0, 'of another', () => told++)()
    page(3, [ownerKey, 'of a third'])
    expect(told).toBe(1)
  })
})
