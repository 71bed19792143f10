import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import type { MailReply, MailSink } from '../../../../connectors/mail/mail.ts'
import type { MailLimits } from '../../../../pipeline/config/configuration.ts'
import { deliver } from '../../../../pipeline/deliver.ts'
import { decode, encode } from '../../../../schemas/codec.ts'
import type { Delivery } from '../../../../schemas/generated.ts'
import { allTopics, topics } from '../../../../schemas/topics.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { kafkaPlace, type KafkaPlace } from '../../../connectors/log/kafka/kafka-harness.ts'
import { readAll } from '../../../connectors/log/log-world.ts'
import { runRelay } from '../../cli/run-relay.ts'
import { accepted, composePlainly, noticeTo, refused } from '../mail-world.ts'

const brokers = await sharedBroker()
const partitions = 3
const patienceMs = 60_000
/** Between two clocks, one of which knows whole milliseconds. */
const roundingMs = 5

interface Sent {
  readonly by: string
  readonly to: string
  readonly messageId: string
  readonly at: number
  /** On the same scale, up to what all have in common: when the claim was made and the limits counted it. */
  readonly countedAt: number
}

interface Sharer {
  stop(): Promise<void>
}

describe.skipIf(brokers === null)('mail of several processes on Kafka', () => {
  let place: KafkaPlace
  let dir: string
  let log: EventLog
  let sent: Sent[]
  let sharers: Sharer[]
  let failures: unknown[]
  let answer: (to: string) => MailReply
  beforeEach(async () => {
    place = kafkaPlace(brokers ?? [])
    dir = mkdtempSync(join(tmpdir(), 'relay-shared-mail-'))
    log = await open('judge')
    ;[sent, sharers, failures, answer] = [[], [], [], () => accepted]
  })
  afterEach(async () => {
    for (const sharer of sharers) await sharer.stop()
    await log.close()
    await place.remove()
    rmSync(dir, { recursive: true, force: true })
  })

  const open = (name: string): Promise<EventLog> =>
    openKafkaLog({
      ...place.options,
      topics: allTopics,
      partitions,
      maxRecordBytes: 1_000_000,
      clientId: name,
      stateDir: join(dir, name),
    })
  const share = async (name: string, limits: Partial<MailLimits> = {}): Promise<Sharer> => {
    const own = await open(name)
    const sink: MailSink = {
      connections: 2,
      send: ({ to: { address: to }, messageId }, { deadline }) => {
        sent.push({ by: name, to, messageId, at: performance.now(), countedAt: deadline })
        return Promise.resolve(answer(to))
      },
      probe: () => Promise.resolve(accepted),
      close: () => Promise.resolve(),
    }
    const from = { address: 'relay@example.org', name: '' }
    const channel = { name: 'default', from, sink, limits: { channel: null, recipient: null, domain: null, ...limits } }
    const { running, idle } = deliver({
      log: own,
      clock: place.options.clock,
      random: Math.random,
      tell: () => undefined,
      process: name,
      channels: new Map([['default', channel]]),
      compose: composePlainly,
    })
    const subscription = running.subscribe({ error: (cause: unknown) => void failures.push(cause) })
    let isStopped = false
    const sharer = {
      async stop() {
        if (isStopped) return
        isStopped = true
        subscription.unsubscribe()
        await idle()
        await own.close()
      },
    }
    sharers.push(sharer)
    return sharer
  }
  const notify = async (addresses: readonly string[]): Promise<void> => {
    const records = addresses.map((address) => ({
      topic: topics.notices.name,
      key: address,
      value: encode('Notice', noticeTo(address)),
    }))
    await log.append(records)
  }
  const deliveries = async (): Promise<readonly Delivery[]> => {
    const read = await Promise.all(
      Array.from({ length: partitions }, (_, partition) => readAll(log, { topic: topics.outcomes.name, partition })),
    )
    return read.flat().flatMap(({ value }) => decode('Outcome', value).deliveries)
  }
  const until = async (is: () => Promise<boolean> | boolean): Promise<void> => {
    for (const end = performance.now() + patienceMs; performance.now() < end && failures.length === 0;) {
      if (await is()) return
      await setTimeout(100)
    }
    throw new Error(`it did not come to that: ${sent.length} sent, ${failures.map(String).join()}`)
  }
  const told = async (): Promise<number> => (await deliveries()).filter(({ outcome }) => outcome === 'told').length
  const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `user${n}@example.org`)

  it('keeps the limits of a channel and of a domain together, also when one of them leaves', async () => {
    const limits = { channel: { most: 30, perMs: 3000, burst: 6 }, domain: { most: 24, perMs: 3000, burst: 6 } }
    const [first] = await Promise.all([share('one', limits), share('two', limits)])
    await notify(numbered(30))
    await until(() => new Set(sent.map(({ by }) => by)).size === 2)
    await notify(numbered(70).slice(30))
    await until(() => sent.length > 30)
    await first.stop()
    await until(async () => (await told()) === 70)
    expect(new Set(sent.map(({ to }) => to)).size).toBe(70)
    expect(sent.length).toBe(70)
    // A letter goes out later than it was counted, on a busy machine or while its partition moves by a second and more.
    const times = sent.map(({ countedAt }) => countedAt).toSorted((a, b) => a - b)
    const inWindow = times.map(
      (from) => times.filter((at) => at >= from && at < from + limits.domain.perMs - roundingMs).length,
    )
    expect(Math.max(...inWindow)).toBeLessThanOrEqual(limits.domain.most)
  }, 120_000)

  it('is sent again by `relay dead` while they run: once though two ask, and no faster than asked for', async () => {
    const config = join(dir, 'relay.yaml')
    const { prefix } = place.options
    writeFileSync(
      config,
      `velociraptor: { api_config: ./none.yaml, gui_url: "https://velociraptor.example.org/app/index.html" }
mail: { url: "smtp://mail.example.org", from: relay@example.org }
log: { kafka: { brokers: [${(brokers ?? []).map((each) => `"${each}"`).join()}], prefix: ${prefix}, partitions: ${partitions}, state_dir: ./asks } }
monitors: [{ name: flows, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
`,
      { mode: 0o600 },
    )
    answer = () => refused
    await Promise.all([share('one'), share('two')])
    await notify(numbered(9))
    await until(async () => (await deliveries()).filter(({ outcome }) => outcome === 'undeliverable').length === 9)
    const before = new Set(sent.map(({ messageId }) => messageId))
    answer = () => accepted
    sent.length = 0
    const asked = performance.now()
    const words = ['dead', 'redrive', '--all', '--yes', '--rate', '120/m', '--wait', '30s', '-c', config]
    const both = await Promise.all([runRelay(...words), runRelay(...words)])
    await until(async () => (await told()) === 9)
    // What would come twice has time to.
    await setTimeout(1000)
    expect(sent.length, both.map(({ out, err }) => out + err).join('\n')).toBe(9)
    expect(new Set(sent.map(({ messageId }) => messageId))).toEqual(before)
    // Each asks for one letter each half second, and either may be first for some: the last is not due before its place in the order.
    expect(Math.max(...sent.map(({ at }) => at)) - asked).toBeGreaterThan(8 * 500)
    const answered = both.map(({ out }) => Number(/^(\d) letters? redriven/m.exec(out)?.[1] ?? 0))
    expect(answered.reduce((sum, count) => sum + count, 0)).toBe(9)
  }, 120_000)
})
