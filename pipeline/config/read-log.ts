import { z } from 'zod'
import type { EmbeddedLogSettings } from './configuration.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { embeddedShape } from './relay-shape.ts'
import { absolute } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const leastSize = 64 * 2 ** 20

const readSize = (written: number | string, path: Path, report: Report): number | undefined => {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(written).trim()) ?? []
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (amount === undefined || factor === undefined)
    return void report(path, `must be a size such as 20GiB (units ${Object.keys(units).filter(Boolean).join(', ')})`)
  const bytes = Math.floor(Number(amount) * factor)
  if (bytes < leastSize || !Number.isSafeInteger(bytes))
    return void report(path, 'must be at least 64MiB and less than 8000TiB')
  return bytes
}

/** Reads `log:`; left out, the log is embedded in ./relay-data beside the file. */
export const readLog = (
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): EmbeddedLogSettings => {
  const kafka = 'Kafka is not in this version: remove this, and the log is embedded'
  const outer = readRecord({ embedded: z.unknown() }, value ?? {}, path, report, { kafka })
  const at = [...path, 'embedded']
  const read = outer?.embedded === undefined ? {} : (readRecord(embeddedShape.shape, outer.embedded, at, report) ?? {})
  const maxSize = read.max_size === undefined ? null : (readSize(read.max_size, [...at, 'max_size'], report) ?? null)
  return { dir: absolute(surroundings, read.dir ?? './relay-data'), partitions: read.partitions ?? 4, maxSize }
}
