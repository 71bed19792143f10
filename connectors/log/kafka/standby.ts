import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import { ownerKey } from './changelog.ts'
import type { FetchedPage } from './fetch-pages.ts'
import type { Bounds, PartitionReader, Source } from './partition-reader.ts'
import type { CachedPartition, PlacedEntry, StateCache } from './state-cache.ts'

/** Follows partitions of one changelog, at first all of them, so that they can be taken over without copying. */
export interface Standby {
  partition(partition: number): CachedPartition
  /** Follows these from now on, and no others: what is taken over nevertheless is read on from where it was left. */
  follow(partitions: ReadonlySet<number>): void
  /** Something may have been written to a partition after a time, by its writer's clock: it was, or the partition is not followed. */
  mayBeWritten(partition: number, since: EpochMs): boolean
  /**
   * Resolves when everything was read that may be read of the changelog now, while its owner may still write: what a dead one has left open is
   * not waited for. Rejects with ConnectorError: LOG_DENIED when it ends before what was read of it.
   */
  catchUp(partition: number, waitMs: number): Promise<void>
  /**
   * Resolves when this owner's marker was read: everything before it is known then. `written` resolves with its offset. Rejects
   * with ConnectorError.
   */
  seen(partition: number, marker: string, written: Promise<number>, waitMs: number): Promise<void>
  /**
   * Calls once another owner's marker was read, before anything that this one wrote is known: who was frozen learns of it no later than of
   * the other's deeds. Watches until the returned function is called.
   */
  whileOwner(partition: number, marker: string, onAnother: () => void): () => void
  /** Resolves when every partition was read to its end once, or nothing more has come for `idleMs`. */
  warm(idleMs: number): Promise<void>
  close(): void
}

export interface StandbyOptions {
  /** Reads what somebody waits for. */
  readonly reader: PartitionReader
  /** Reads all the rest, much of it together: nobody waits for what others write. */
  readonly calmReader: PartitionReader
  readonly cache: StateCache
  /** Its full name. */
  readonly changelog: string
  readonly partitions: number
  /** The changelog is not the one that was read before. */
  readonly onDenied: (error: ConnectorError) => void
}

export const openStandby = (options: StandbyOptions): Standby => {
  const { reader, calmReader, cache, changelog, partitions, onDenied } = options
  const latest = new Map<number, EpochMs>()
  const waiting = new Map<string, () => void>()
  const reading = new Map<number, () => void>()
  const owners = new Map<number, string>()
  const watching = new Map<number, () => void>()
  const cold = new Set(Array.from({ length: partitions }, (_, partition) => partition))
  const warmed = Promise.withResolvers<void>()
  let heard = performance.now()
  const another = (partition: number, end: number, position: number): ConnectorError =>
    new ConnectorError(
      'LOG_DENIED',
      `topic ${changelog} partition ${partition} ends at ${end}, but was read up to ${position}: it was deleted or made anew, and ` +
        `with it the memory of what was told. Restore it; or, to begin anew, choose another prefix`,
    )
  const followed = Array.from({ length: partitions }, (_, partition) => cache.partition(changelog, partition))
  const sources = followed.map((cached, partition): Source => {
    const from = (): number => cached.position() ?? 0
    let isDenied = false

    const take = ({ records, next }: FetchedPage): void => {
      const entries: PlacedEntry[] = []
      const markers: string[] = []
      for (const { offset, key, value } of records) {
        if (key === null) continue
        const text = key.toString()
        if (text === ownerKey) markers.push(value?.toString() ?? '')
        else entries.push({ key: text, value, offset })
      }
      heard = performance.now()
      const newest = records.at(-1)
      if (newest !== undefined) latest.set(partition, newest.timestamp)
      const owner = markers.at(-1)
      if (owner !== undefined) {
        owners.set(partition, owner)
        watching.get(partition)?.()
      }
      cached.read(entries, next)
      for (const marker of markers) waiting.get(marker)?.()
    }

    const outOfRange = ({ low, high }: Bounds): void => {
      if (from() > high) {
        isDenied = true
        return onDenied(another(partition, high, from()))
      }
      cached.forget()
      cached.read([], low)
    }
    const reachedEnd = (): void => {
      reading.get(partition)?.()
      cold.delete(partition)
      if (cold.size === 0) warmed.resolve()
    }
    return { topic: changelog, partition, wants: () => (isDenied ? undefined : from()), take, reachedEnd, outOfRange }
  })
  /** What ends the following, by partition. */
  const following = new Map(sources.map((source) => [source.partition, calmReader.add(source)]))
  const positionOf = (partition: number): number => followed[partition]?.position() ?? 0

  /** Reads a partition without rest until what is listened for is done. */
  const readAtOnce = (
    partition: number,
    waitMs: number,
    listen: (done: (error?: unknown) => void) => () => void,
  ): Promise<void> =>
    new Promise((resolve, reject) => {
      const source = sources[partition]
      const readCalmlyAgain = source === undefined ? () => undefined : reader.add(source)
      const settle = (error?: unknown): void => {
        clearTimeout(timer)
        readCalmlyAgain()
        stopListening()
        if (error === undefined) resolve()
        else reject(error)
      }
      const timer = setTimeout(() => {
        const text = `the changelog ${changelog} partition ${partition} could not be read to its end within ${waitMs / 1000} s`
        settle(new ConnectorError('LOG_UNAVAILABLE', text))
      }, waitMs)
      const stopListening = listen(settle)
    })

  return {
    follow: (wanted) => {
      for (const [partition, end] of following) {
        if (wanted.has(partition)) continue
        following.delete(partition)
        end()
      }
      for (const source of sources) {
        if (!wanted.has(source.partition) || following.has(source.partition)) continue
        // It may have been left for so long that it must be read anew.
        cache.partition(changelog, source.partition)
        following.set(source.partition, calmReader.add(source))
      }
    },
    mayBeWritten: (partition, since) => !following.has(partition) || (latest.get(partition) ?? -Infinity) > since,
    partition: (partition) => followed[partition] as CachedPartition,
    catchUp: async (partition, waitMs) => {
      const position = positionOf(partition)
      const end = await reader.end(changelog, partition)
      if (position > end) throw another(partition, end, position)
      if (positionOf(partition) >= end) return
      await readAtOnce(partition, waitMs, (done) => {
        reading.set(partition, () => done())
        return () => void reading.delete(partition)
      })
    },
    seen: (partition, marker, written, waitMs) =>
      readAtOnce(partition, waitMs, (done) => {
        waiting.set(marker, done)
        written.then((offset) => {
          // Reading is past the marker and has not met it: what was read was another log.
          if (waiting.has(marker) && positionOf(partition) > offset)
            done(another(partition, offset + 1, positionOf(partition)))
        }, done)
        return () => void waiting.delete(marker)
      }),
    whileOwner: (partition, marker, onAnother) => {
      const look = (): void => {
        if (owners.get(partition) === marker) return
        watching.delete(partition)
        onAnother()
      }
      watching.set(partition, look)
      look()
      return () => {
        if (watching.get(partition) === look) watching.delete(partition)
      }
    },
    warm: async (idleMs) => {
      heard = performance.now()
      const idle = setInterval(() => performance.now() - heard > idleMs && warmed.resolve(), idleMs / 8)
      const readCalmlyAgain = sources.map((source) => reader.add(source))
      await warmed.promise
      for (const readCalmly of readCalmlyAgain) readCalmly()
      clearInterval(idle)
    },
    close: () => {
      warmed.resolve()
      for (const end of following.values()) end()
    },
  }
}
