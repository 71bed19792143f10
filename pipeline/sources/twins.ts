import type { Origin } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Marks } from '../runtime/marks.ts'
import type { Identified } from './queue-source.ts'

/** Live rows bear the second of their sending, stored ones the time of their writing a moment later. */
const latestWriteMs = 500
const mostCopies = 1000

/**
 * Whether a row came before, and takes note of it. A row without a natural key is known by its second too, and that second may be the
 * next one when it is read back: what came one way and not yet the other is looked for there. Of equal rows a second apart, each
 * written in the next second, one may be taken as new rather than one be lost.
 */
export const cameBefore = (seen: Marks, { id, receivedAt, equal }: Identified, origin: Origin): boolean => {
  const own = seen.get(id, receivedAt)
  if (own !== undefined) {
    if (equal !== undefined && own.event !== '' && own.event !== origin) seen.put(id, { ...own, event: '' })
    return true
  }
  if (equal === undefined) {
    seen.put(id, { event: '', at: receivedAt })
    return false
  }
  const isLive = origin === 'live'
  // One that is not the first of its second may stand for the first, which is its equal.
  const isNear = (at: EpochMs): boolean => equal.copy > 0 || at % 1000 < latestWriteMs
  if (isLive || isNear(receivedAt))
    for (let copy = 0; copy < mostCopies; copy++) {
      const twin = equal.idOf(copy, isLive ? 1 : -1)
      const mark = seen.get(twin, receivedAt)
      if (mark === undefined) break
      const isOfOtherWay = mark.event !== '' && mark.event !== origin
      if (!isOfOtherWay || (isLive && !isNear(mark.at))) continue
      // From here on it has come both ways.
      seen.put(twin, { ...mark, event: '' })
      seen.put(id, { event: '', at: receivedAt })
      return true
    }
  seen.put(id, { event: origin, at: receivedAt })
  return false
}
