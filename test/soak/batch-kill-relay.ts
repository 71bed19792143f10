/**
 * A relay to be killed: enriches, decides and delivers on the log in --dir by a clock that is --ahead ms ahead, and feeds --count flow
 * completions from --begin on to it, going on where the log ends. Says `L <json>` for each letter before it is acknowledged, `I` when all is done.
 */
import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Observable } from 'rxjs'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import type { MailSink, OutgoingMail } from '../../connectors/mail/mail.ts'
import type { QueryMessage, Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { readConfiguration } from '../../pipeline/config/read-configuration.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { startService } from '../../pipeline/service.ts'
import { flowCompletionId, readFlowCompletion } from '../../pipeline/sources/flow-completion-row.ts'
import { encode } from '../../schemas/codec.ts'
import type { Clock } from '../../schemas/time.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { artifactsOf, batchMost, clientOf, flowId, flowNumber } from './batch-kill-flows.ts'

const { values: given } = parseArgs({
  options: {
    dir: { type: 'string', default: '' },
    begin: { type: 'string', default: '0' },
    ahead: { type: 'string', default: '0' },
    count: { type: 'string', default: '0' },
  },
})
/** Epoch ms of the first flow; they come a second apart. */
const firstAt = Number(given.begin)
const ahead = Number(given.ahead)
const count = Number(given.count)
const fedTogether = 5

const relayYaml = `
velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://mail.example.org, from: velociraptor@example.org }
monitors:
  - name: batches
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [ann@example.org, soc@example.org], DelayThreshold: 0, HTML: false }
    batch: { quiet: 5m, longest: 1h, most: ${batchMost} }
  - name: windows
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [bob@example.org], DelayThreshold: 0, HTML: false }
    dedup: { window: 2h }
`
const { configuration } = readConfiguration(relayYaml, {
  file: '/relay.yaml',
  env: {},
  readFile: () => ({ text: '', readableByOthers: false }),
})
if (configuration === null) throw new Error('the configuration of the soak cannot be used')

const machine = systemClock()
const clock: Clock = { now: () => machine.now() + ahead, at: (at, call) => machine.at(at - ahead, call) }

const rowsFor = (vql: string, keys: string): readonly object[] => {
  if (vql.includes('flows(client_id='))
    return (JSON.parse(keys) as { readonly CId: string; readonly FId: string }[]).map(({ CId, FId }) => {
      const artifacts = artifactsOf(flowNumber(FId))
      const Flow = {
        session_id: FId,
        client_id: CId,
        create_time: (firstAt - 60_000) * 1000,
        state: 'FINISHED',
        request: { creator: 'a', artifacts },
      }
      return { CId, FId, Flow, Client: { client_id: CId, os_info: { fqdn: CId } }, Metadata: {} }
    })
  if (vql.includes('orgs()')) return [{ OrgId: 'root', Name: '<root>' }]
  return []
}
const velociraptor: Velociraptor = {
  query: ({ vql, env }) =>
    new Observable<QueryMessage>((subscriber) => {
      subscriber.next({ kind: 'rows', rows: rowsFor(vql, env?.['Keys'] ?? '[]').map((row) => JSON.stringify(row)) })
      subscriber.complete()
    }),
  close: () => Promise.resolve(),
}

const say = (line: string): void => void writeSync(1, `${line}\n`)
const sayLetter = ({ messageId, to, text }: OutgoingMail): void =>
  say(`L ${JSON.stringify({ id: messageId, to: to.address, flows: [...new Set(text.match(/F\.N\d+/g))].toSorted() })}`)

const sink: MailSink = {
  connections: 2,
  async send(mail) {
    sayLetter(mail)
    await setTimeout(2)
    return { kind: 'accepted', code: 250, text: 'taken' }
  },
  probe: () => Promise.resolve({ kind: 'accepted', code: 250, text: '' }),
  close: () => Promise.resolve(),
}

const tell = (): void => undefined
const log = await openEmbeddedLog({ dir: given.dir, topics: allTopics, clock, tell })
const channels = new Map(configuration.channels.map(({ name, from }) => [name, { name, from, sink }]))
const world = { log, velociraptor, channels, clock, random: Math.random, tell }
const service = await startService(world, { configuration, stages: ['enrich', 'decide', 'deliver'], since: null })

const fed = async (): Promise<number> => {
  let records = 0
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const some of log.read({ topic: topics.rawFlowCompletions.name, partition })) records += some.length
  return records
}

const feed = async (): Promise<void> => {
  for (let from = await fed(); from < count; from += fedTogether) {
    const numbers = Array.from({ length: Math.min(fedTogether, count - from) }, (_, n) => from + n)
    await log.append(
      numbers.map((n) => {
        const Timestamp = firstAt / 1000 + n
        const row = JSON.stringify({
          Timestamp,
          ClientId: clientOf(n),
          FlowId: flowId(n),
          Flow: { state: 2 },
          _ts: Timestamp,
        })
        const read = readFlowCompletion(JSON.parse(row))
        const received_at = read.receivedAt as number
        const id = flowCompletionId('root', read, received_at)
        const event = {
          org: 'root',
          queue: 'System.Flow.Completion',
          id,
          received_at,
          read_at: received_at,
          origin: 'live',
          row,
        } as const
        return { topic: topics.rawFlowCompletions.name, key: `root/${read.client}`, value: encode('RawEvent', event) }
      }),
    )
    await setTimeout(3)
  }
}

const run = async (): Promise<void> => {
  await feed()
  for (let quiet = 0; quiet < 10;) {
    await setTimeout(20)
    quiet = log.isIdle() ? quiet + 1 : 0
  }
  await service.stop()
  await log.close()
  say('I')
}
await Promise.race([run(), service.failed])
