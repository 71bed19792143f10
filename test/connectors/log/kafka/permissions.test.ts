import kafkajs from 'kafkajs'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { concatMap, mergeMap } from 'rxjs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ConnectorError } from '../../../../connectors/errors.ts'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import { connectKafka, patient, usualTimings } from '../../../../connectors/log/kafka/connection.ts'
import { joinGroup } from '../../../../connectors/log/kafka/group-member.ts'
import { openKafkaLog, type KafkaLogOptions } from '../../../../connectors/log/kafka-log.ts'
import { ownBroker } from '../../../broker/shared-broker.ts'
import { readAll, record, texts } from '../log-world.ts'
import { kafkaPlace, quickTimings, withTestAdmin, type KafkaPlace } from './kafka-harness.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

type Operation = 'Read' | 'Write' | 'Create' | 'DescribeConfigs'
interface Grant {
  readonly resource: 'topics' | 'groups' | 'transactional ids'
  readonly operation: Operation
}

const operations: Readonly<Record<Operation, number>> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
}
const resources: Readonly<Record<Grant['resource'], number>> = {
  topics: AclResourceTypes.TOPIC,
  groups: AclResourceTypes.GROUP,
  'transactional ids': AclResourceTypes.TRANSACTIONAL_ID,
}

/** The README's table: | topics that begin with `raptor.` | Read, Write, … | */
const documented = [
  ...readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8').matchAll(
    /^\| (topics|groups|transactional ids) that begin with `raptor\.` +\| ([A-Za-z, ]+?) +\|$/gm,
  ),
].flatMap(([, resource = '', list = '']) => list.split(', ').map((operation) => ({ resource, operation }) as Grant))
const nameOf = ({ resource, operation }: Grant): string => `${operation} on ${resource}`
/** A user for each permission that is taken away, and one who has them all. */
const users = ['all', ...documented.map((_, index) => `without${index}`)]
const password = 'open sesame'

const broker = await ownBroker({
  nodes: 1,
  listeners: ['SASL_PLAINTEXT'],
  settings: {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Whoever comes without a login is the test itself, or the broker.
    'super.users': 'User:ANONYMOUS',
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users
      .map((user) => `user_${user}="${password}"`)
      .join(' ')};`,
  },
})
afterAll(() => broker?.stop())

describe.skipIf(broker === null)('a user with the permissions of the README', () => {
  let places: KafkaPlace[] = []
  let logs: EventLog[] = []

  beforeAll(async () => {
    await withTestAdmin(broker?.brokers ?? [], (admin) =>
      admin.createAcls({
        acl: users.flatMap((user, index) =>
          documented
            .filter((_, of) => of !== index - 1)
            .map(({ resource, operation }) => ({
              resourceType: resources[resource],
              resourceName: 'test-',
              resourcePatternType: ResourcePatternTypes.PREFIXED,
              principal: `User:${user}`,
              host: '*',
              operation: operations[operation],
              permissionType: AclPermissionTypes.ALLOW,
            })),
        ),
      }),
    )
  })
  afterEach(async () => {
    await Promise.all(logs.map((log) => log.close()))
    await Promise.all(places.map((place) => place.remove()))
    logs = []
    places = []
  })

  const place = (): KafkaLogOptions => {
    const made = kafkaPlace(broker?.brokers ?? [])
    places.push(made)
    return made.options
  }
  const open = async (options: KafkaLogOptions, user: string): Promise<EventLog> => {
    const sasl = { mechanism: 'plain', username: user, password: () => password } as const
    const log = await openKafkaLog({ ...options, brokers: broker?.at?.('SASL_PLAINTEXT') ?? [], sasl })
    logs.push(log)
    return log
  }

  /** All that the relay ever asks a broker for: topics, records, turns in transactions, state, and reading without a group. */
  const runsThrough = async (log: EventLog): Promise<void> => {
    await log.append([record('in', 'v', 0)])
    let error: unknown
    const subscription = log
      .tasks({ name: 'copier', inputs: ['in'] })
      .pipe(
        mergeMap((task) =>
          task.turns.pipe(
            concatMap(async ({ records, commit }) => {
              const append = records.map(({ key, value, partition }) => ({ topic: 'out', key, value, partition }))
              await commit({ append, put: [['seen', Buffer.from('1')]] })
            }),
          ),
        ),
      )
      .subscribe({ error: (cause: unknown) => void (error = cause) })
    try {
      for (const deadline = performance.now() + 20_000; ; await setTimeout(50)) {
        if (error !== undefined) throw error
        if (texts(await readAll(log, { topic: 'out', partition: 0 })).length === 1) return
        if (performance.now() > deadline) throw new Error('nothing was copied, and nobody said why')
      }
    } finally {
      subscription.unsubscribe()
    }
  }

  it('needs no other: the relay opens, appends, commits turns and reads', async () => {
    expect(documented.map(nameOf)).toContain('Write on transactional ids')
    await runsThrough(await open(place(), 'all'))
  }, 60_000)

  it('may ask the group which states it follows', async () => {
    const { prefix } = place()
    const access = { brokers: broker?.at?.('SASL_PLAINTEXT') ?? [], clientId: 'follower' }
    const sasl = { mechanism: 'plain', username: 'all', password: () => password } as const
    await withTestAdmin(broker?.brokers ?? [], (admin) => admin.createTopics({ topics: [{ topic: `${prefix}in` }] }))
    const followed = Promise.withResolvers<readonly number[]>()
    const member = joinGroup({
      kafka: connectKafka({ ...access, sasl }, patient),
      brokers: access.brokers,
      group: `${prefix}group`,
      topics: [`${prefix}in`],
      partitions: 1,
      timings: { ...usualTimings, ...quickTimings },
      onAssigned: () => undefined,
      onFollowed: followed.resolve,
      onTrouble: () => undefined,
      onDenied: followed.reject,
    })
    expect(await followed.promise).toEqual([])
    await member.leave()
  })

  it.each(documented.map((grant, index) => [nameOf(grant), grant, index] as const))(
    'is told what is missing without %s',
    async (_, { resource, operation }, index) => {
      const options = place()
      // Nothing to create, so that the other permissions are asked for.
      if (operation !== 'Create') await (await open(options, 'all')).close()
      const refused = await open(options, `without${index}`)
        .then(runsThrough)
        .then(
          () => 'nothing was refused',
          (cause: unknown) => (cause instanceof ConnectorError ? `${cause.code} ${cause.message}` : String(cause)),
        )
      expect(refused).toMatch(/^LOG_DENIED Kafka at 127\.0\.0\.1:\d+/)
      expect(refused).toContain(operation)
      expect(refused).toContain(resource)
    },
    60_000,
  )
})
