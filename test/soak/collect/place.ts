import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { decode } from '../../../schemas/codec.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { customQueue, type Emitted, liveOnlyQueue, type Said, type Told } from './names.ts'

/** The stand-in server in a process of its own. */
export interface Server {
  readonly apiConfig: string
  tell(told: Told): void
  readonly emitted: Promise<readonly Emitted[]>
  close(): Promise<void>
}

export const openServer = async (dir: string, seed: number): Promise<Server> => {
  const child: ChildProcess = fork(fileURLToPath(new URL('server.ts', import.meta.url)), [dir, String(seed)])
  const emitted = Promise.withResolvers<readonly Emitted[]>()
  child.on('exit', (code) => emitted.reject(new Error(`the server ended early with ${code}`)))
  emitted.promise.catch(() => undefined)
  const [first] = (await once(child, 'message')) as [Said]
  if (first.kind !== 'open') throw new Error(`the server said ${first.kind}`)
  child.on('message', (said: Said) => {
    if (said.kind === 'emitted') emitted.resolve(said.events)
  })
  return {
    apiConfig: first.apiConfig,
    tell: (told) => void child.send(told),
    emitted: emitted.promise,
    async close() {
      if (child.exitCode !== null) return
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** The text of relay.yaml: flows, alerts, a queue that is kept by client and one that is live only, of all organisations. */
export const relayYaml = (apiConfig: string, dir: string): string => `
velociraptor: { api_config: ${apiConfig}, gui_url: https://velociraptor.example.org/app/index.html, orgs: ['*'] }
mail: { url: 'smtp://127.0.0.1:25', from: relay@example.org }
log: { embedded: { dir: ${join(dir, 'log')}, partitions: 2 } }
http: off
trouble: off
monitors:
  - { name: flows, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [ann@example.org] } }
  - { name: alerts, artifact: Server.Monitor.Alerts, parameters: { Recipients: [ann@example.org] } }
  - { name: rows, queue: ${customQueue}, alert: { name: Found } }
  - { name: seen, queue: ${liveOnlyQueue}, alert: { name: Seen } }
`

/** Each event in the log after enrich, by its key, and how often it stands there. */
export const readEvents = async (dir: string): Promise<ReadonlyMap<string, number>> => {
  const log = await openEmbeddedLog({
    ...{ dir: join(dir, 'log'), topics: allTopics, clock: systemClock() },
    tell: () => undefined,
  })
  const found = new Map<string, number>()
  const count = (key: string): void => void found.set(key, (found.get(key) ?? 0) + 1)
  try {
    for (let partition = 0; partition < log.partitions; partition++) {
      for await (const records of log.read({ topic: topics.flowEvents.name, partition }))
        for (const { value } of records) {
          const { org, client, flow } = decode('FlowEvent', value)
          count(`flow ${org} ${client.id} ${flow.id}`)
        }
      for await (const records of log.read({ topic: topics.alertEvents.name, partition }))
        for (const { value } of records) {
          const { org, name } = decode('AlertEvent', value)
          count(`alert ${org} ${name}`)
        }
      for await (const records of log.read({ topic: topics.queueEvents.name, partition }))
        for (const { value } of records) {
          const { org, queue, row } = decode('QueueEvent', value)
          count(`row ${org} ${queue} ${(JSON.parse(row) as { readonly N: number }).N}`)
        }
    }
  } finally {
    await log.close()
  }
  return found
}
