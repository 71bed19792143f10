import { createHash } from 'node:crypto'
import type { Configuration } from './configuration.ts'
import { isRecord } from './is-record.ts'

const lengthOfHash = 12

/** JSON with the keys of every mapping in order; functions (of patterns) are left out, their text stays. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part,
  )

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1)

/**
 * 12 hexadecimal digits over what decides who is told of what: the monitors and the domains that channels allow. Passwords,
 * servers and paths do not change it, nor does the order of monitors.
 */
export const configurationHash = ({ monitors, channels }: Pick<Configuration, 'monitors' | 'channels'>): string => {
  const deciding = {
    monitors: monitors.toSorted(byName),
    channels: channels.map(({ name, allowedDomains }) => ({ name, allowedDomains })).toSorted(byName),
  }
  return createHash('sha256').update(canonical(deciding)).digest('hex').slice(0, lengthOfHash)
}
