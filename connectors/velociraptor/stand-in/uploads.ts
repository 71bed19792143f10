import type { EpochMs } from '../../../schemas/time.ts'
import { filled, isPlain, type Plain } from './defaults.ts'
import { goTime, timeField } from './moments.ts'

/** Where stored bytes of a sparse file belong; what lies between is zeros that nobody stored. Bytes. */
export interface Run {
  readonly offset: number
  readonly length: number
}

/** A file of which the server keeps the bytes. */
export interface KeptFile {
  /** Where it lies in the server's store, from the top. */
  readonly components: readonly string[]
  /** Of a sparse file only what is stored, one run after the other. */
  readonly bytes: Uint8Array
  /** Of a sparse file, in order. */
  readonly runs?: readonly Run[]
}

/** An upload: its rows as `uploads()` gives them, and the files that the server keeps of it. */
export interface Upload {
  readonly rows: readonly unknown[]
  readonly files: readonly KeptFile[]
}

interface FlowKey {
  readonly client: string
  readonly flow: string
}

/** A path as the server prints it: what holds a slash or a quote is quoted. */
const printedPath = (components: readonly string[]): string =>
  components.map((name) => `/${/["/]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name}`).join('')

const textsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined

/** The folders and the name of a file at its client: of Windows where the path has its drives or its slashes. */
const clientComponents = (path: string): readonly string[] =>
  path.split(/^[a-z]:|\\/i.test(path) ? /[\\/]/ : '/').filter((name) => name !== '')

const bytesOf = ({ content, content_base64 }: Plain): Uint8Array | undefined => {
  if (content instanceof Uint8Array) return content
  if (typeof content === 'string') return Buffer.from(content, 'utf8')
  return typeof content_base64 === 'string' ? Buffer.from(content_base64, 'base64') : undefined
}

const runsOf = (ranges: unknown): readonly Run[] | undefined =>
  Array.isArray(ranges)
    ? ranges.filter(isPlain).map(({ offset, length }) => ({ offset: Number(offset), length: Number(length) }))
    : undefined

const endOf = (runs: readonly Run[]): number =>
  runs.reduce((end, { offset, length }) => Math.max(end, offset + length), 0)

/** The index that the server keeps beside a sparse file: its stored runs and its gaps; numbers that are 0 are left out. */
const indexText = (runs: readonly Run[]): string => {
  const ranges: Readonly<Record<string, number>>[] = []
  let stored = 0
  let end = 0
  const add = (length: number, fileLength: number): void => {
    const range = { file_offset: stored, original_offset: end, file_length: fileLength, length }
    ranges.push(Object.fromEntries(Object.entries(range).filter(([, value]) => value !== 0)))
    stored += fileLength
    end += length
  }
  for (const { offset, length } of runs) {
    if (offset > end) add(offset - end, 0)
    add(length, length)
  }
  return JSON.stringify({ ranges }, null, 1)
}

/**
 * An upload that a world describes: `content` or `content_base64` are its bytes, of a sparse file those of its `ranges`. Then the row
 * gets what the server says of such a file, where left out: a client's file at `client_path`, or what a collection on the server named
 * so. A row without bytes stays as it is, and the server has no such file.
 */
export const uploadOf = (given: unknown, key: FlowKey, t0: EpochMs): Upload => {
  if (!isPlain(given)) return { rows: [given], files: [] }
  const timed: Plain = 'Timestamp' in given ? { ...given, Timestamp: timeField(given['Timestamp'], 's', t0) } : given
  const bytes = bytesOf(given)
  if (bytes === undefined) return { rows: [timed], files: [] }
  const { content: _, content_base64: __, ranges, ...row } = timed
  return key.client === 'server' ? serverUpload(row, bytes, key, t0) : clientUpload(row, bytes, runsOf(ranges), key, t0)
}

const times = (t0: EpochMs): Plain => ({ Timestamp: Math.floor(t0 / 1000), started: goTime(t0) })

const folderOf = ({ client, flow }: FlowKey, accessor: string): readonly string[] => [
  ...['clients', client, 'collections', flow, 'uploads', accessor],
]

const serverUpload = (row: Plain, bytes: Uint8Array, key: FlowKey, t0: EpochMs): Upload => {
  const path = typeof row['client_path'] === 'string' ? row['client_path'] : ''
  // The name is one component, whatever is in it; the server quotes it when it prints it.
  const name = path.replace(/^\//, '').replace(/^"(.*)"$/s, (_, quoted: string) => quoted.replaceAll('""', '"'))
  const components = textsOf(row['_Components']) ?? [...folderOf(key, 'data'), name]
  const { client_path: _, ...rest } = row
  const printed = printedPath([name])
  const size = bytes.length
  const whole = filled(rest, {
    ...times(t0),
    vfs_path: `fs:${printedPath(components)}`,
    _Components: components,
    file_size: size,
    uploaded_size: size,
    client_path: printed,
    Upload: {
      Path: printed,
      Size: size,
      ...(size > 0 ? { StoredSize: size } : {}),
      Components: components,
      UploadId: 0,
    },
  })
  return { rows: [whole], files: [{ components, bytes }] }
}

const clientUpload = (
  row: Plain,
  bytes: Uint8Array,
  runs: readonly Run[] | undefined,
  key: FlowKey,
  t0: EpochMs,
): Upload => {
  const accessor = typeof row['_accessor'] === 'string' ? row['_accessor'] : runs === undefined ? 'file' : 'sparse'
  const path = typeof row['client_path'] === 'string' ? row['client_path'] : ''
  const inside = textsOf(row['_client_components']) ?? clientComponents(path)
  const components = textsOf(row['_Components']) ?? [...folderOf(key, accessor), ...inside]
  const [size, stored] = [runs === undefined ? bytes.length : endOf(runs), bytes.length]
  const upload = (Path: string): Plain => ({
    Path,
    Size: size,
    ...(stored > 0 ? { StoredSize: stored } : {}),
    Components: components,
    Accessor: accessor,
    UploadId: 0,
  })
  const place = { ...times(t0), vfs_path: `fs:${printedPath(components)}` }
  const origin = { _accessor: accessor, _client_components: inside }
  const data = filled(row, {
    ...place,
    Type: '',
    _Components: components,
    file_size: size,
    ...origin,
    uploaded_size: stored,
    client_path: path,
    Upload: upload(path),
  })
  if (runs === undefined) return { rows: [data], files: [{ components, bytes }] }
  // The index has the components of its file, so that who fetches by them fetches the file twice.
  const index = {
    ...place,
    Timestamp: data['Timestamp'],
    started: data['started'],
    Type: 'idx',
    _Components: components,
    ...origin,
    file_size: size,
    uploaded_size: stored,
    client_path: `${path}.idx`,
    Upload: upload(`${path}.idx`),
  }
  const beside = [...components.slice(0, -1), `${components.at(-1) ?? ''}.idx`]
  return {
    rows: [data, index],
    files: [
      { components, bytes, runs },
      { components: beside, bytes: Buffer.from(indexText(runs)) },
    ],
  }
}
