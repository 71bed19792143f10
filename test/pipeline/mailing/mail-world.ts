import { map } from 'rxjs'
import type { MailReply, MailSink, OutgoingMail, SendTerms } from '../../../connectors/mail/mail.ts'
import { alone } from '../../../operators/batch.ts'
import type { MailLimits } from '../../../pipeline/config/configuration.ts'
import { deliver } from '../../../pipeline/deliver.ts'
import type { DeliverOptions, OpenChannel } from '../../../pipeline/mailing/claim.ts'
import { encode } from '../../../schemas/codec.ts'
import type { Delivery, Notice, Outcome } from '../../../schemas/generated.ts'
import type { Clock } from '../../../schemas/time.ts'
import { topics } from '../../../schemas/topics.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { openStageWorld, type Running, type StageWorld } from '../runtime/stage-world.ts'

export const accepted: MailReply = { kind: 'accepted', code: 250, text: 'taken' }
export const refused: MailReply = { kind: 'refused', code: 550, text: 'no such user' }
export const deferred: MailReply = { kind: 'deferred', code: 451, text: 'try later' }
export const unavailable: MailReply = { kind: 'unavailable', code: 421, text: 'closing' }
export const unknown: MailReply = { kind: 'unknown', code: 0, text: 'cut after the dot' }
export const released: MailReply = { kind: 'released', code: 0, text: 'not begun' }
export const denied: MailReply = { kind: 'denied', code: 535, text: 'wrong login' }

export type Answer = (mail: OutgoingMail, terms: SendTerms) => MailReply | Promise<MailReply>

/** A sink whose answers are the test's. */
export interface HandSink extends MailSink {
  /** Everything it was given, with the time. */
  readonly given: readonly { readonly mail: OutgoingMail; readonly at: number }[]
}

export const openHandSink = (clock: Clock, answer: Answer, connections = 1): HandSink => {
  const given: { mail: OutgoingMail; at: number }[] = []
  return {
    connections,
    given,
    send(mail, terms) {
      if (terms.signal.aborted || performance.now() >= terms.deadline) return Promise.resolve(released)
      given.push({ mail, at: clock.now() })
      return Promise.resolve(answer(mail, terms))
    },
    probe: () => Promise.resolve(accepted),
    close: () => Promise.resolve(),
  }
}

/** Answers one after the other; the last one for all that follow. */
export const answering = (...replies: readonly [MailReply, ...MailReply[]]): Answer => {
  let n = 0
  return () => replies[Math.min(n++, replies.length - 1)] ?? accepted
}

/** A notice to somebody, of a flow of its own. */
export const noticeTo = (
  address: string,
  { id = `n-${address}`, channel = 'default', rule = alone, severity = '' } = {},
): Notice => ({
  id,
  monitor: 'flows',
  artifact: 'Server.Monitor.FlowCompletion',
  channel,
  recipient: { address, name: '' },
  sender: null,
  noticed_at: 0,
  event_at: { topic: topics.flowEvents.name, partition: 0, offset: 0 },
  configuration: 'c1',
  severity,
  replay: '',
  batch: {
    quiet_ms: rule.quietMs,
    longest_ms: rule.longestMs,
    most: rule.most,
    first_at_once: rule.firstAtOnce,
    spacing_ms: rule.spacingMs,
  },
  flow: flowEvent({ event: { id: `flow of ${id}` } }),
  flow_letter: null,
  alert: null,
  alert_letter: null,
})

/** The plainest letter: it names its notices. */
export const composePlainly: DeliverOptions['compose'] = (notices, { messageId, now, channel }) => {
  const [first] = notices
  if (first === undefined) throw new Error('a letter without a notice')
  return Promise.resolve({
    messageId,
    from: channel.from,
    to: first.recipient,
    subject: notices.map(({ id }) => id).join(),
    date: now,
    text: '',
    html: null,
    headers: [],
    attachments: [],
  })
}

/** A process that delivers. */
export interface Process extends Running {
  /** Ends it without a word: nothing that it began comes to its end. */
  kill(): void
  /** As a service stops: it leaves, and waits for what is under way. */
  leave(): Promise<void>
}

export interface ProcessOptions {
  readonly sinks: Readonly<Record<string, MailSink>>
  readonly compose?: DeliverOptions['compose']
  readonly name?: string
  /** Of the channel `default`. */
  readonly limits?: Partial<MailLimits>
  /** Of all its channels; default: five days. */
  readonly giveUpAfterMs?: number
  /** In place of the log's. */
  readonly append?: MailWorld['log']['append']
  /** What its log says of other processes; default: they may live. */
  readonly othersAreDead?: boolean
}

export const startProcess = (
  world: StageWorld,
  {
    sinks,
    compose = composePlainly,
    name = 'p1',
    limits,
    giveUpAfterMs,
    append,
    othersAreDead = false,
  }: ProcessOptions,
): Process => {
  let isDead = false
  const { log, clock } = world
  const channels = Object.entries(sinks).map(([channel, sink]): [string, OpenChannel] => [
    channel,
    {
      name: channel,
      sink,
      from: { address: 'relay@example.org', name: '' },
      ...(giveUpAfterMs === undefined ? {} : { giveUpAfterMs }),
      ...(limits === undefined ? {} : { limits: { channel: null, recipient: null, domain: null, ...limits } }),
    },
  ])
  const { running, idle } = deliver({
    ...world.common,
    log: {
      ...log,
      tasks: (topology) => log.tasks(topology).pipe(map((task) => ({ ...task, othersAreDead }))),
      append: (records) => (isDead ? new Promise(() => undefined) : (append ?? log.append)(records)),
    },
    clock: { now: clock.now, at: (at, call) => clock.at(at, () => void (isDead || call())) },
    process: name,
    channels: new Map(channels),
    compose: (...given) => (isDead ? new Promise(() => undefined) : compose(...given)),
  })
  const run = world.run(running)
  return {
    ...run,
    kill() {
      isDead = true
      run.stop()
    },
    leave() {
      run.stop()
      return idle()
    },
  }
}

export interface MailWorld extends StageWorld {
  notify(...notices: readonly Notice[]): Promise<void>
  deliveries(): Promise<readonly Delivery[]>
}

/** A stage world for letters. */
export const openMailWorld = (partitions = 1): MailWorld => {
  const world = openStageWorld({ partitions })
  // A getter of the world must stay one.
  return Object.assign(world, {
    async notify(...notices: readonly Notice[]) {
      await world.log.append(
        notices.map((notice) => ({
          topic: topics.notices.name,
          key: notice.recipient.address,
          value: encode('Notice', notice),
        })),
      )
      await world.settle()
    },
    deliveries: async () => (await world.outcomes()).flatMap((outcome: Outcome) => outcome.deliveries),
  })
}
