import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { concatMap, mergeMap } from 'rxjs'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import type { KafkaSasl } from '../../../../connectors/log/kafka/connection.ts'
import { openKafkaLog, type KafkaLogOptions } from '../../../../connectors/log/kafka-log.ts'
import { selfSigned } from '../../../../connectors/mail/self-signed.ts'
import type { Happening } from '../../../../schemas/happenings.ts'
import { ownBroker } from '../../../broker/shared-broker.ts'
import { range, readAll, record, refusalOf, texts, until } from '../log-world.ts'
import { kafkaPlace, type KafkaPlace } from './kafka-harness.ts'

const password = 'open sesame'
const certificate = selfSigned(['127.0.0.1'])
const dir = mkdtempSync(join(tmpdir(), 'relay-broker-'))
const keyStore = join(dir, 'server.pem')
writeFileSync(keyStore, `${certificate.key}${certificate.cert}`, { mode: 0o600 })

const broker = await ownBroker({
  nodes: 1,
  listeners: ['SSL', 'SASL_PLAINTEXT'],
  format: ['--add-scram', `SCRAM-SHA-256=[name=relay,password=${password}]`],
  settings: {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keyStore,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_relay="${password}";`,
    'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  },
})
afterAll(async () => {
  await broker?.stop()
  rmSync(dir, { recursive: true, force: true })
})

describe.skipIf(broker === null)('the log on Kafka', () => {
  let place: KafkaPlace
  let logs: EventLog[] = []
  let told: Happening[] = []
  beforeEach(() => {
    place = kafkaPlace(broker?.brokers ?? [])
    told = []
  })
  afterEach(async () => {
    await Promise.all(logs.map((log) => log.close()))
    logs = []
    await place.remove()
  })
  const open = async (options: Partial<KafkaLogOptions> = {}): Promise<EventLog> => {
    const log = await openKafkaLog({ ...place.options, tell: (happening) => void told.push(happening), ...options })
    logs.push(log)
    return log
  }
  const writesAndReads = async (log: EventLog): Promise<void> => {
    await log.append([record('in', 'v')])
    expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['v'])
  }
  const copy = (log: EventLog): void => {
    log
      .tasks({ name: 'copier', inputs: ['in'], mostRecords: 5 })
      .pipe(
        mergeMap((task) =>
          task.turns.pipe(
            concatMap(async (turn) => {
              const append = turn.records.map(({ key, value, partition }) => ({ topic: 'out', key, value, partition }))
              await turn.commit({ append, put: [] }).catch(() => undefined)
            }),
          ),
        ),
      )
      .subscribe()
  }
  const all = async (log: EventLog, topic: string): Promise<string[]> =>
    texts((await Promise.all(range(3).map((partition) => readAll(log, { topic, partition })))).flat())

  const untilCopied = async (log: EventLog): Promise<void> => {
    for (const begun = performance.now(); (await all(log, 'out')).length < 1 && performance.now() - begun < 20_000;)
      await setTimeout(50)
  }

  /** Appends one record after another while something happens to the broker, and at the end wants each that was taken copied once. */
  const survives = async (trouble: () => Promise<void>): Promise<void> => {
    const log = await open()
    copy(log)
    await log.append([record('in', 'first', 0)])
    await untilCopied(log)
    let isOver = false
    const troubling = setTimeout(500)
      .then(trouble)
      .finally(() => (isOver = true))
    let appended = 0
    try {
      for (; !isOver || appended < 30; appended++) await log.append([record('in', `${appended}`, appended % 3)])
    } finally {
      // Whatever went wrong, the broker is back for the next test.
      await troubling
    }
    await log.append([record('in', 'last', 0)])
    const deadline = performance.now() + 30_000
    while ((await all(log, 'out')).length < appended + 2 && performance.now() < deadline) await setTimeout(100)
    const wanted = ['first', ...range(appended).map(String), 'last'].sort()
    expect((await all(log, 'in')).sort()).toEqual(wanted)
    expect((await all(log, 'out')).sort(), JSON.stringify(told)).toEqual(wanted)
  }

  it('rides out a broker that is killed and comes back after 3 s: nothing lost, nothing twice', async () => {
    await survives(async () => {
      await broker?.kill()
      await setTimeout(3000)
      await broker?.start()
    })
    expect(told.filter(({ name }) => name === 'log unavailable').length).toBeLessThanOrEqual(1)
  }, 90_000)

  it('rides out a broker that is frozen for longer than a session: nothing lost, nothing twice, said once', async () => {
    await survives(async () => {
      broker?.freeze()
      try {
        await until(() => told.some(({ name }) => name === 'log unavailable'), 'that it is away', 30_000)
      } finally {
        broker?.thaw()
      }
    })
    await until(() => told.some(({ name }) => name === 'log available again'), 'its end', 20_000)
    expect(told.filter(({ name }) => name === 'log unavailable')).toHaveLength(1)
    expect(told.filter(({ name }) => name === 'log available again')).toHaveLength(1)
  }, 90_000)

  it('closes within 10 s while no broker answers, with an append and a task under way', async () => {
    const log = await open()
    copy(log)
    await log.append([record('in', 'first', 0)])
    await untilCopied(log)
    broker?.freeze()
    const append = log.append([record('in', 'second', 0)]).catch((error: unknown) => error)
    const begun = performance.now()
    await log.close()
    const closeMs = performance.now() - begun
    broker?.thaw()
    expect(closeMs).toBeLessThan(10_000)
    await append
  }, 60_000)

  it('speaks TLS with who shows a certificate that is trusted, and with nobody else', async () => {
    const brokers = broker?.at?.('SSL') ?? []
    await writesAndReads(await open({ brokers, tls: { ca: certificate.cert } }))
    expect(await refusalOf(open({ brokers, tls: {} }), 'LOG_DENIED')).toContain('tls.ca_file')
    const other = selfSigned(['broker.example.org'])
    expect(await refusalOf(open({ brokers, tls: { ca: other.cert } }), 'LOG_DENIED')).toContain(brokers[0])
  })

  it('says so when the port speaks no TLS', async () => {
    const brokers = broker?.brokers ?? []
    expect(await refusalOf(open({ brokers, tls: { ca: certificate.cert } }), 'LOG_UNAVAILABLE')).toContain(brokers[0])
  })

  it.each(['plain', 'scram-sha-256'] as const)(
    'logs in with SASL %s, and says so when it may not',
    async (mechanism) => {
      const brokers = broker?.at?.('SASL_PLAINTEXT') ?? []
      const login = (text: string): KafkaSasl => ({ mechanism, username: 'relay', password: () => text })
      await writesAndReads(await open({ brokers, sasl: login(password) }))
      const text = await refusalOf(open({ brokers, sasl: login('wrong') }), 'LOG_DENIED')
      expect(text).toContain('sasl.password')
      expect(text).not.toContain('wrong')
    },
  )

  it('names the login mechanism when the broker does not offer it', async () => {
    const sasl = { mechanism: 'scram-sha-512', username: 'relay', password: () => password } as const
    expect(await refusalOf(open({ brokers: broker?.at?.('SASL_PLAINTEXT') ?? [], sasl }), 'LOG_DENIED')).toContain(
      'sasl.mechanism',
    )
  })

  it('names the brokers when none answers', async () => {
    const brokers = ['127.0.0.1:1']
    expect(await refusalOf(open({ brokers }), 'LOG_UNAVAILABLE')).toContain('127.0.0.1:1')
  })
})
