/** The world outside of a relay, in a process of its own: a Velociraptor server over gRPC, and a mail server that takes everything at once. */
import { setTimeout } from 'node:timers/promises'
import { apiService, type QueryResponse } from '../../../connectors/velociraptor/api-messages.ts'
import { startStandIn } from '../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { openOwnSink } from '../smtp-sink.ts'

/** What the process says. */
export type Said =
  | { readonly kind: 'open'; readonly apiConfig: string; readonly smtpPort: number }
  | { readonly kind: 'warm' }
  | { readonly kind: 'measured'; readonly latencies: readonly number[]; readonly timerDelays: readonly number[] }

/** What it is asked. */
export type Asked = { readonly kind: 'warm' } | { readonly kind: 'measure'; readonly events: number }

const queue = 'System.Flow.Completion'
const warmPatienceMs = 30_000
const lostAfterMs = 20_000
const timerMs = 10
/** Longer than the server holds a row back: each event is alone. Streams that were opened together are held back together too. */
const gapMs = { least: 1020, most: 1220 }

const [dir = '', ...orgs] = process.argv.slice(2)
const say = (said: Said): void => void process.send?.(said)

const handedOver = new Map<string, number>()
const taken = new Map<string, number>()

/** A row is handed to gRPC when its message is serialized; nothing of the server's hold is left then. */
const watchHandOver = (): void => {
  const method = apiService().service['Query'] as unknown as { responseSerialize: (message: QueryResponse) => Buffer }
  const serialize = method.responseSerialize
  method.responseSerialize = (message) => {
    const now = performance.now()
    for (const [, flow] of message.Response.matchAll(/"FlowId":"([^"]+)"/g))
      if (!handedOver.has(flow as string)) handedOver.set(flow as string, now)
    return serialize(message)
  }
}

const eventHeader = /^X-Raptor-Relay-Event: ([^\r]+(?:\r\n[ \t][^\r]*)*)/im

const noteTaken = (message: Buffer): void => {
  const now = performance.now()
  const [, event = ''] = eventHeader.exec(message.toString('latin1', 0, 4096)) ?? []
  const [, , flow = ''] = event.replaceAll(/\s/g, '').split('/')
  if (!taken.has(flow)) taken.set(flow, now)
}

watchHandOver()
const clock = systemClock()
const client = (org: string): string => `C.${Buffer.from(org).toString('hex').padStart(16, '0').slice(-16)}`
const world = createWorld({
  now: clock.now(),
  orgs: orgs.map((id) => ({ id, name: id })),
  clients: orgs.map((org) => ({ org, client_id: client(org), os_info: { fqdn: `${org.toLowerCase()}.example.org` } })),
})
const server = await startStandIn({ world, clock, dir, port: 0 })
const sink = await openOwnSink(noteTaken)
let flows = 0

/** A flow completes that nobody has seen before; answers with its id. */
const complete = (org: string): string => {
  const flow = `F.BENCH${String(flows++).padStart(8, '0')}`
  const request = { creator: 'analyst1', artifacts: ['Linux.Sys.Users'], specs: [] }
  world.set({ flows: [{ org, client_id: client(org), session_id: flow, request }] })
  world.emit(org, queue, { ClientId: client(org), FlowId: flow }, clock.now())
  return flow
}

const reached = async (flow: string, patienceMs: number): Promise<number> => {
  for (const begun = performance.now(); performance.now() - begun < patienceMs; await setTimeout(20)) {
    const at = taken.get(flow)
    if (at !== undefined) return at
  }
  throw new Error(`no mail about ${flow} within ${patienceMs} ms`)
}

/** Until a live event of each organisation has come through: then its stream is open. */
const warm = async (): Promise<void> => {
  await Promise.all(
    orgs.map(async (org) => {
      for (const begun = performance.now(); performance.now() - begun < warmPatienceMs;) {
        const flow = complete(org)
        await setTimeout(gapMs.most)
        if (handedOver.has(flow)) return reached(flow, lostAfterMs)
      }
      throw new Error(`nothing live came through for ${org} within ${warmPatienceMs} ms`)
    }),
  )
  say({ kind: 'warm' })
}

/** How late timers of 10 ms come meanwhile: what the machine alone adds to every step. */
const watchTimers = async (delays: number[], signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const begun = performance.now()
    await setTimeout(timerMs)
    delays.push(performance.now() - begun - timerMs)
  }
}

const measure = async (events: number): Promise<void> => {
  const timerDelays: number[] = []
  const ended = new AbortController()
  const watched = watchTimers(timerDelays, ended.signal)
  const emitted: string[] = []
  for (let n = 0; n < events; n++) {
    emitted.push(complete(orgs[n % orgs.length] as string))
    await setTimeout(gapMs.least + Math.random() * (gapMs.most - gapMs.least))
  }
  const latencies: number[] = []
  for (const flow of emitted) latencies.push((await reached(flow, lostAfterMs)) - (handedOver.get(flow) as number))
  ended.abort()
  await watched
  say({ kind: 'measured', latencies, timerDelays })
}

const failed = (cause: unknown): void => {
  console.error(cause)
  process.exit(1)
}

process.on('message', (asked: Asked) => {
  ;(asked.kind === 'warm' ? warm() : measure(asked.events)).catch(failed)
})
process.on('disconnect', () => {
  void Promise.all([server.close(), sink.close()]).then(() => process.exit())
})
say({ kind: 'open', apiConfig: server.apiConfig, smtpPort: sink.port })
