import { statfs } from 'node:fs/promises'
import type { LogWatch } from '../observing/watch-log.ts'
import type { Trouble } from './troubles.ts'

const GiB = 2 ** 30
/** A disk is nearly full with less free than this part of it and this much, or less than the least. */
const nearlyFull = { part: 0.05, bytes: 20 * GiB, least: GiB }
const longLagMs = 15 * 60_000

/** What nobody says of itself: the disk of the log fills, a stage falls behind. */
export const lookForTrouble = async (dir: string, lags: LogWatch['lags']): Promise<readonly Trouble[]> => [
  ...(await diskTrouble(dir)),
  ...lagTrouble(lags()),
]

const diskTrouble = async (dir: string): Promise<readonly Trouble[]> => {
  try {
    const { bavail, blocks, bsize } = await statfs(dir)
    return diskTroubleOf(bavail * bsize, blocks * bsize)
  } catch {
    return []
  }
}

/** Whether a disk with so many bytes free is nearly full. */
export const diskTroubleOf = (free: number, size: number): readonly Trouble[] => {
  const isFull = free < nearlyFull.least || (free < size * nearlyFull.part && free < nearlyFull.bytes)
  if (!isFull) return []
  const reason = `${(free / GiB).toFixed(1)} GiB are free where the log lies: make room, or bound it with log: { embedded: { max_size: } }`
  return [{ key: 'poll/disk', title: 'the disk fills', reason, isOfMail: false }]
}

/** The stages that are long behind, each once. */
export const lagTrouble = (lags: ReturnType<LogWatch['lags']>): readonly Trouble[] => {
  const behind = new Map<string, number>()
  for (const { stage, lagMs } of lags) if (lagMs > longLagMs) behind.set(stage, Math.max(lagMs, behind.get(stage) ?? 0))
  return [...behind].map(([stage, lagMs]) => ({
    key: `poll/lag/${stage}`,
    title: `${stage} is behind`,
    reason: `its oldest record in hand has waited for ${Math.round(lagMs / 60_000)} minutes`,
    isOfMail: false,
  }))
}
