/**
 * A process of the bench, forked with a directory and what it serves: an API server whose event queue brings as many rows as are asked for,
 * as fast as the stream takes them or at a rate, and whose clients have as many stored ones. It takes little of the machine.
 */
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { stringify } from 'yaml'
import { apiService, type QueryArguments, type QueryResponse } from '../../../connectors/velociraptor/api-messages.ts'
import { makeAuthority } from '../../../connectors/velociraptor/stand-in/certificates.ts'

type Call = ServerWritableStream<QueryArguments, QueryResponse>

/** What the server has, and how it brings it. */
export interface Served {
  /** Rows of the event stream. */
  readonly count: number
  /** Of each row. */
  readonly bytes: number
  /** Rows of the stream a second; 0: as fast as they are taken. */
  readonly rate: number
  /** Clients with stored rows, and how many each has, spread over the hour before the server began. */
  readonly clients: number
  readonly each: number
}

/** What it answers when it is asked how it was asked. */
export interface Load {
  readonly queries: number
  /** Running at the same time, the event stream left out. */
  readonly mostAtOnce: number
}

const [dir = '', given = '{}'] = process.argv.slice(2)
const { count, bytes, rate, clients, each } = JSON.parse(given) as Served
const queue = 'System.Flow.Completion'
const rowsOfMessage = 500
const beatMs = 2000
const historyMs = 3_600_000
/** Older than what is read twice. */
const latestMs = 600_000
const day = 86_400_000

const response = (part: Partial<QueryResponse>): QueryResponse => ({
  ...{ Response: '', Columns: [], Query: null, timestamp: '0', query_id: '0', part: '0', log: '' },
  ...part,
})

const nowS = (): number => Math.floor(Date.now() / 1000)

const blank = 'x'.repeat(bytes)

const rowText = (client: string, flow: string, second: number, ts: number): string => {
  const begin = `{"Timestamp":${second},"ClientId":"${client}","FlowId":"${flow}","_ts":${ts},"_Source":"${queue}","_Queue":"${queue}","Flow":{"state":2,"backtrace":"`
  return `${begin}${blank.slice(0, Math.max(0, bytes - begin.length - 3))}"}}`
}

const clientId = (n: number): string => `C.${String(n).padStart(16, '0')}`

const messages = (): readonly QueryResponse[] => {
  const second = nowS()
  const made: QueryResponse[] = []
  for (let from = 0; from < count; from += rowsOfMessage) {
    const rows = Array.from({ length: Math.min(rowsOfMessage, count - from) }, (_, n) =>
      rowText(clientId((from + n) % 1000), `F.${from + n}`, second, second),
    )
    made.push(response({ Response: `[${rows.join(',')}]` }))
  }
  return made
}

const write = async (call: Call, message: QueryResponse): Promise<void> => {
  if (!call.write(message)) await once(call, 'drain')
}

const bring = async (call: Call): Promise<void> => {
  const beat = (): QueryResponse => response({ Response: JSON.stringify([{ _Queue: '', _Beat: nowS() }]) })
  await write(call, beat())
  const beats = setInterval(() => call.write(beat()), beatMs)
  call.on('cancelled', () => clearInterval(beats))
  const begun = performance.now()
  const all = messages()
  for (const [n, message] of all.entries()) {
    if (call.cancelled) return
    const due = rate === 0 ? 0 : (n * rowsOfMessage * 1000) / rate
    const early = due - (performance.now() - begun)
    if (early > 1) await setTimeout(early)
    await write(call, response({ log: 'Sending response part.\n' }))
    await write(call, message)
  }
}

const begunMs = Date.now()
const load = { queries: 0, mostAtOnce: 0 }
let running = 0

/** The stored rows of a client since a time, oldest first. */
const storedOf = function* (client: string, fromMs: number): Generator<string> {
  const step = historyMs / each
  for (let n = 0; n < each; n++) {
    const at = Math.floor(begunMs - latestMs - historyMs + n * step)
    if (at >= fromMs) yield rowText(client, `F.${client.slice(2)}.${n}`, Math.floor(at / 1000), at)
  }
}

const answerRows = function* (request: QueryArguments): Generator<string> {
  const vql = request.Query[0]?.VQL ?? ''
  const env = new Map(request.env.map(({ key, value }) => [key, value]))
  if (vql.startsWith('SELECT client_id FROM clients()'))
    for (let n = 0; n < clients; n++) yield `{"client_id":"${clientId(n)}"}`
  const asked = JSON.parse(env.get('Clients') ?? '[]') as readonly { readonly CId: string }[]
  for (const { CId } of asked) if (CId !== 'server') yield* storedOf(CId, Number(env.get('FromMs')))
}

const answer = async (call: Call): Promise<void> => {
  load.queries++
  load.mostAtOnce = Math.max(load.mostAtOnce, ++running)
  try {
    let rows: string[] = []
    const flush = (): Promise<void> => {
      const text = `[${rows.join(',')}]`
      rows = []
      return write(call, response({ Response: text }))
    }
    for (const row of answerRows(call.request)) {
      rows.push(row)
      if (rows.length === rowsOfMessage) await flush()
    }
    await flush()
    call.end()
  } finally {
    running--
  }
}

const server = new Server({ 'grpc.max_send_message_length': -1 })
server.addService(apiService().service, {
  Query: (call: Call) => {
    const isStream = call.request.Query[0]?.VQL.includes('watch_monitoring') === true
    // Who was asked by a client that has gone has nothing to say.
    void (isStream ? bring(call) : answer(call)).catch(() => undefined)
  },
})
process.on('message', () => void process.send?.(load))
const terms = { from: Date.now() - day, to: Date.now() + day }
const authority = makeAuthority({ name: 'Bench CA', ...terms })
const own = authority.forServer({ name: 'VelociraptorServer', ...terms })
const user = authority.forUser({ name: 'bench', ...terms })
const trust = ServerCredentials.createSsl(
  Buffer.from(authority.certificate),
  [{ private_key: Buffer.from(own.privateKey), cert_chain: Buffer.from(own.certificate) }],
  true,
)
server.bindAsync('127.0.0.1:0', trust, (cause, port) => {
  if (cause !== null) throw cause
  const file = join(dir, 'api.config.yaml')
  const config = {
    ca_certificate: authority.certificate,
    client_cert: user.certificate,
    client_private_key: user.privateKey,
    api_connection_string: `127.0.0.1:${port}`,
    name: 'bench',
  }
  writeFileSync(file, stringify(config), { mode: 0o600 })
  process.send?.({ apiConfig: file })
})
process.on('disconnect', () => process.exit())
