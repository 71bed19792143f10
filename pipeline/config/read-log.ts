import { z } from 'zod'
import type { KafkaLogSettings, LogSettings } from './configuration.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { readSecret } from './read-secret.ts'
import { readRecord, readValue } from './record.ts'
import { embeddedShape, kafkaShape } from './relay-shape.ts'
import { secretOf } from './secret.ts'
import { absolute, contentsOf } from './surroundings.ts'
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

const readPem = (file: string, path: Path, report: Report, surroundings: Surroundings): string | undefined => {
  const contents = contentsOf(surroundings, file)
  if (typeof contents === 'string') return void report(path, `${contents}: name a file in PEM form`)
  if (!contents.text.includes('-----BEGIN ')) return void report(path, 'the file holds nothing in PEM form')
  return contents.text
}

type KafkaTls = KafkaLogSettings['tls']

/** undefined: something is wrong and reported. */
const readTls = (value: unknown, path: Path, report: Report, surroundings: Surroundings): KafkaTls | undefined => {
  if (value === undefined || value === false) return null
  const read = readValue(kafkaShape.shape.tls, value, path, report)
  if (read === undefined) return undefined
  if (read === true || read === false) return { ca: null, identity: null }
  const pem = (key: 'ca_file' | 'cert_file' | 'key_file'): string | null | undefined => {
    const file = read[key]
    return file === undefined ? null : readPem(file, [...path, key], report, surroundings)
  }
  const [ca, certificate, key] = [pem('ca_file'), pem('cert_file'), pem('key_file')]
  if (ca === undefined || certificate === undefined || key === undefined) return undefined
  if ((certificate === null) !== (key === null))
    return void report(path, 'cert_file and key_file belong together: name both or none')
  return { ca, identity: certificate === null || key === null ? null : { certificate, key: secretOf(key) } }
}

type KafkaSasl = KafkaLogSettings['sasl']

const readSasl = (value: unknown, path: Path, report: Report, surroundings: Surroundings): KafkaSasl | undefined => {
  if (value === undefined) return null
  const { mechanism, username } = kafkaShape.shape.sasl.unwrap().shape
  const read = readRecord({ mechanism, username, password: z.unknown() }, value, path, report)
  const written = isRecord(value) ? value['password'] : undefined
  if (read === null) return undefined
  if (written === undefined) return void report([...path, 'password'], 'is missing')
  const password = readSecret(written, [...path, 'password'], report, surroundings)
  if (read.mechanism === undefined || read.username === undefined || password === undefined) return undefined
  return { mechanism: read.mechanism, username: read.username, password }
}

const readKafka = (value: unknown, path: Path, report: Report, surroundings: Surroundings): KafkaLogSettings | null => {
  const shape = { ...kafkaShape.shape, tls: z.unknown(), sasl: z.unknown() }
  const read = readRecord(shape, value, path, report)
  if (read === null) return null
  const tls = readTls(read.tls, [...path, 'tls'], report, surroundings)
  const sasl = readSasl(read.sasl, [...path, 'sasl'], report, surroundings)
  if (sasl?.mechanism === 'plain' && tls === null)
    report([...path, 'sasl'], 'the password goes over the network in the clear: set tls', { level: 'warning' })
  if (read.brokers === undefined || tls === undefined || sasl === undefined) return null
  return {
    brokers: read.brokers,
    prefix: read.prefix ?? 'raptor.',
    partitions: read.partitions ?? 12,
    stateDir: absolute(surroundings, read.state_dir ?? './relay-data'),
    tls,
    sasl,
  }
}

/** Reads `log:`; left out, the log is embedded in ./relay-data beside the file. */
export const readLog = (value: unknown, path: Path, report: Report, surroundings: Surroundings): LogSettings => {
  const outer = readRecord({ embedded: z.unknown(), kafka: z.unknown() }, value ?? {}, path, report)
  if (outer?.embedded !== undefined && outer.kafka !== undefined)
    report([...path, 'kafka'], 'stands beside `embedded:`, but there is one log: remove one of the two')
  const at = [...path, 'embedded']
  const read = outer?.embedded === undefined ? {} : (readRecord(embeddedShape.shape, outer.embedded, at, report) ?? {})
  const maxSize = read.max_size === undefined ? null : (readSize(read.max_size, [...at, 'max_size'], report) ?? null)
  const kafka = outer?.kafka === undefined ? null : readKafka(outer.kafka, [...path, 'kafka'], report, surroundings)
  const dir = absolute(surroundings, read.dir ?? './relay-data')
  return { embedded: { dir, partitions: read.partitions ?? 4, maxSize }, kafka }
}
