import { lastValueFrom, Observable, of, toArray } from 'rxjs'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import { standInVelociraptor } from '../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import type { QueryRequest, Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'
import { collect } from '../../../pipeline/collect.ts'
import { monitorsOf, sourcesOf } from '../../../pipeline/monitors/monitors-of.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import type { Happening } from '../../../schemas/happenings.ts'
import { allTopics } from '../../../schemas/topics.ts'
import { clientErrorsMonitor } from '../configuration.ts'
import { type BenchRow, type Figure, median } from '../measure.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const clients = 15_000
const artifacts = 10
/** One in so many logs of an artifact on a client has an error; each has a line that nobody looks for. */
const errorEvery = 100
const errors = (clients * artifacts) / errorEvery
const rounds = 3
const periodMs = 60_000
/** Before the rounds: what is stored while one runs is for the next. */
const storedAgoMs = 5000

/** A server with that many clients, each of which has just logged. */
const fleet = (now: number): StandInWorld => {
  const names = Array.from({ length: artifacts }, (_, n) => `Windows.Events.Artifact${n}`)
  const ids = Array.from({ length: clients }, (_, n) => `C.${n.toString(16).padStart(16, '0')}`)
  const world = createWorld({
    now,
    artifacts: names.map((name) => ({ name, type: 'CLIENT_EVENT' })),
    clients: ids.map((client_id, n) => ({ client_id, labels: n % 3 === 0 ? ['prod'] : [] })),
  })
  for (const [c, client] of ids.entries())
    for (const [a, artifact] of names.entries()) {
      world.log(
        'root',
        client,
        artifact,
        { level: 'DEBUG', message: 'Time 60: Sending response part 1 2.1 kB (10 rows).' },
        now,
      )
      if ((c * artifacts + a) % errorEvery === 0)
        world.log('root', client, artifact, { level: 'ERROR', message: `query failed: error ${c}` }, now)
    }
  return world
}

interface Asked {
  readonly velociraptor: Velociraptor
  readonly requests: QueryRequest[]
  most(): number
  /** Of the rows that came. */
  bytes(): number
}

const counting = (inner: Velociraptor): Asked => {
  const requests: QueryRequest[] = []
  let open = 0
  let most = 0
  let bytes = 0
  return {
    requests,
    most: () => most,
    bytes: () => bytes,
    velociraptor: {
      ...inner,
      query: (request) =>
        new Observable((subscriber) => {
          requests.push(request)
          most = Math.max(most, ++open)
          subscriber.add(() => open--)
          return inner.query(request).subscribe({
            next: (message) => {
              if (message.kind === 'rows') for (const row of message.rows) bytes += Buffer.byteLength(row)
              subscriber.next(message)
            },
            error: (cause: unknown) => subscriber.error(cause),
            complete: () => subscriber.complete(),
          })
        }),
    },
  }
}

/** One round of a relay that begins with it; answers how long it took, ms. */
const roundOf = (asked: Asked, since: number): Promise<number> =>
  inTemporaryDir(async (dir) => {
    const clock = systemClock()
    const log = await openEmbeddedLog({ dir, topics: allTopics, clock, tell: () => undefined })
    try {
      return await new Promise<number>((resolve, reject) => {
        const tell = ({ name, took_ms, kept }: Happening): void => {
          if (name !== 'log round') return
          running.unsubscribe()
          if (kept === errors) resolve(Number(took_ms))
          else reject(new Error(`${String(kept)} of ${errors} lines were read`))
        }
        const sources = of(sourcesOf(monitorsOf(clientErrorsMonitor())))
        const running = collect({
          ...{
            log,
            velociraptor: asked.velociraptor,
            clock,
            random: Math.random,
            tell,
            orgs: ['root'],
            sources,
            since,
          },
        }).subscribe({ error: reject })
      })
    } finally {
      await log.close()
    }
  })

/** The same queries by themselves, one after the other, ms. */
const bareOf = async (velociraptor: Velociraptor, requests: readonly QueryRequest[]): Promise<number> => {
  const begun = performance.now()
  for (const request of requests) await lastValueFrom(velociraptor.query(request).pipe(toArray()))
  return performance.now() - begun
}

const measureClientLogs = async (): Promise<readonly Figure[]> => {
  const now = Date.now()
  const clock = systemClock()
  const inner = standInVelociraptor(fleet(now - storedAgoMs), { clock })
  const taken: { readonly asked: Asked; readonly tookMs: number; readonly bareMs: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const asked = counting(inner)
    const tookMs = await roundOf(asked, now - periodMs)
    taken.push({ asked, tookMs, bareMs: await bareOf(inner, asked.requests) })
  }
  const of = `${clients} clients x ${artifacts} artifacts`
  const figure = (name: string, value: number, unit: string, more: Partial<Figure>): Figure => ({
    ...{ name: `client-logs ${name}`, value, unit, baseline: null, ratio: null, bar: null, reference: null },
    note: `one round over ${of}`,
    ...more,
  })
  const payload =
    errors *
    Buffer.byteLength(
      JSON.stringify({ client_time: 1_700_000_000, level: 'ERROR', message: 'query failed: error 10000' }),
    )
  const bytes = median(taken.map(({ asked }) => asked.bytes()))
  return [
    figure('queries', Math.max(...taken.map(({ asked }) => asked.requests.length)), 'queries', { bar: { most: 3 } }),
    figure('at a time', Math.max(...taken.map(({ asked }) => asked.most())), 'queries', { bar: { most: 2 } }),
    figure('bytes', bytes / 1000, 'kB', {
      baseline: payload / 1000,
      ratio: bytes / payload,
      bar: { mostRatio: 3 },
      note: `rows of one round over ${of}, of which ${errors} lines are errors, against those lines alone`,
    }),
    figure('time', median(taken.map(({ tookMs }) => tookMs)) / 1000, 's', {
      baseline: median(taken.map(({ bareMs }) => bareMs)) / 1000,
      ratio: median(taken.map(({ tookMs, bareMs }) => tookMs / bareMs)),
      bar: { most: periodMs / 2000, mostRatio: 1.5 },
      note: `one round over ${of}, against its queries alone: most of it is the stand-in's own`,
    }),
  ]
}

export const clientLogs: BenchRow = {
  name: 'client-logs',
  about: 'what a round over the logs of 15,000 clients asks of the server, and how long it takes',
  measure: measureClientLogs,
}
