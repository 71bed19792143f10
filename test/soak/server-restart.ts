/**
 * `npm run soak:server-restart -- [--away 2,10,45]`: `relay run` of collect against a stand-in server in a process of its own, which is away for
 * so many seconds one after the other. Says how long after each return every stream was live again, and in sync; the bars are 15 and 30 s.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openServer, relayYaml } from './collect/place.ts'
import { type Line, openCollectRelay } from './collect/relay.ts'

const { values } = parseArgs({ options: { away: { type: 'string', default: '2,10,45' } } })
const bars = { live: 15, 'in sync': 30 }
const patienceMs = 120_000
const lookEveryMs = 50

/** Streams of the two organisations, by what the relay says of each. */
const streams = new Map<string, { away: boolean; inSync: boolean }>()
const hear = ({ msg, org = '', queues = '' }: Line): void => {
  if (queues === '') return
  const stream = streams.get(`${org} ${queues}`) ?? { away: false, inSync: false }
  streams.set(`${org} ${queues}`, stream)
  if (msg === 'source away') Object.assign(stream, { away: true, inSync: false })
  if (msg === 'source back') stream.away = false
  if (msg === 'source in sync') stream.inSync = true
}
const all = (is: (stream: { away: boolean; inSync: boolean }) => boolean): boolean => [...streams.values()].every(is)
const until = async (what: string, isSo: () => boolean): Promise<void> => {
  for (const end = Date.now() + patienceMs; !isSo(); await setTimeout(lookEveryMs))
    if (Date.now() > end) throw new Error(`not ${what} within ${patienceMs / 1000} s`)
}

const dir = mkdtempSync(join(tmpdir(), 'relay-restart-'))
const server = await openServer(dir, 1)
const file = join(dir, 'relay.yaml')
writeFileSync(file, relayYaml(server.apiConfig, dir))
const relay = openCollectRelay({ file, hear, onFailure: (what) => console.error(what) })
let isKept = true
try {
  await until('in sync', () => streams.size >= 6 && all(({ inSync }) => inSync))
  for (const seconds of values.away.split(',').map(Number)) {
    await setTimeout(5000)
    const back = Date.now() + seconds * 1000
    server.tell({ kind: 'fault', fault: 'restart', ms: seconds * 1000 })
    await until('away', () => all(({ away }) => away))
    const sinceBack = (): number => Math.max(0, Date.now() - back) / 1000
    await until('live', () => all(({ away }) => !away))
    const live = sinceBack()
    await until('in sync', () => all(({ inSync }) => inSync))
    const inSync = sinceBack()
    isKept &&= live <= bars.live && inSync <= bars['in sync']
    console.log(
      `${streams.size} streams, away for ${seconds} s: live after ${live.toFixed(1)} s, in sync after ${inSync.toFixed(1)} s`,
    )
  }
} finally {
  await relay.end()
  await server.close()
  rmSync(dir, { recursive: true, force: true })
}
process.exitCode = isKept ? 0 : 1
