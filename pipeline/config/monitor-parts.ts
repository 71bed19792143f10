import type { z } from 'zod'
import { alone, type BatchRule } from '../../operators/batch.ts'
import type { DedupSettings } from './configuration.ts'
import { nearest } from './did-you-mean.ts'
import { durationMs } from './duration.ts'
import type { Alike } from './monitor-artifacts.ts'
import type { Reading } from './parameters.ts'
import type { Path, Report } from './problem.ts'
import { shown } from './problem.ts'
import type { Mail } from './read-mail.ts'
import type { batchShape } from './relay-shape.ts'

/** Where a monitor stands, and what its reading needs. */
export interface Place {
  readonly path: Path
  readonly reading: Reading
  /** null: there is no usable one. */
  readonly mail: Mail | null
}
/** Reads a monitor; null when there was an error. */
export type Reader<S> = (value: unknown, place: Place) => S | null

/** The name of a monitor's mail channel; one that is not there is reported. */
export const channelOf = (
  secret: string,
  isWritten: boolean,
  path: Path,
  { names, isSingle }: Mail,
  report: Report,
): string => {
  const [only] = names
  if (names.includes(secret) || only === undefined) return secret
  if (isSingle || (names.length === 1 && !isWritten)) return only
  const near = nearest(secret, names)
  const help = near === undefined ? `there are ${names.map(shown).join(', ')}` : `did you mean ${near}?`
  const message = isWritten
    ? `there is no mail channel of this name: ${help}`
    : `is missing: name one of the mail channels ${names.map(shown).join(', ')}`
  report(path, message)
  return secret
}

/** What an event must remember lies in one partition, so what makes events alike must contain the partition's key. */
export const readDedup = <F extends string>(
  { alikeBy, alikeNeeds, others }: Omit<Alike<F>, 'fields'>,
  { window, by = alikeBy }: { readonly window: string; readonly by?: readonly F[] | undefined },
  path: Path,
  report: Report,
): DedupSettings<F> => {
  if (alikeNeeds !== null && !by.includes(alikeNeeds))
    report([...path, 'dedup', 'by'], `must contain ${alikeNeeds}: ${others} are gathered by batch instead`)
  return { windowMs: durationMs(window) as number, window, by }
}

/** Events in one letter at most where only the spacing of letters gathers them. */
const mostWaiting = 500

const usualQuiet = '30s'
const usualLongest = '10m'

/** Warns of a time that the other one always ends first. */
export const checkBatch = (
  { quiet = usualQuiet, longest = usualLongest }: z.output<typeof batchShape>,
  path: Path,
  report: Report,
): void => {
  if ((durationMs(quiet) as number) > (durationMs(longest) as number))
    report(
      [...path, 'quiet'],
      `does nothing: a letter goes out once it is ${longest} old, which is less (see longest)`,
      {
        level: 'warning',
      },
    )
}

/** `batch:` and `SendInterval` together say when letters of the monitor go out to one recipient. */
export const batchRule = (written: z.output<typeof batchShape> | undefined, sendInterval: number): BatchRule => {
  const spacingMs = Math.max(0, sendInterval) * 1000
  if (written === undefined) return { ...alone, spacingMs, most: spacingMs === 0 ? 1 : mostWaiting }
  const { quiet = usualQuiet, longest = usualLongest, most = 50, first = 'gathered' } = written
  return {
    quietMs: durationMs(quiet) as number,
    longestMs: durationMs(longest) as number,
    most,
    firstAtOnce: first === 'now',
    spacingMs,
  }
}
