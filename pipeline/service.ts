import { randomUUID } from 'node:crypto'
import {
  BehaviorSubject,
  catchError,
  from,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  Subscription,
  throwError,
} from 'rxjs'
import type { EventLog } from '../connectors/log/event-log.ts'
import { openMessageChannel } from '../connectors/message/message-channel.ts'
import { velociraptorMessages } from '../connectors/message/velociraptor-messages.ts'
import type { MailSink } from '../connectors/mail/mail.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import type { Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import { collect } from './collect.ts'
import type { Configuration } from './config/configuration.ts'
import { configurationHash } from './config/hash.ts'
import { heartbeatTimes } from './config/heartbeat-times.ts'
import { decide } from './decide.ts'
import { deliver } from './deliver.ts'
import { enrich } from './enrich.ts'
import { index } from './index/index-stage.ts'
import { composeNotices } from './mailing/compose-notices.ts'
import type { OpenChannel } from './mailing/claim.ts'
import { inAppChannel, nobody } from './monitors/in-app-channel.ts'
import { monitorsOf, sourcesOf } from './monitors/monitors-of.ts'
import type { Random } from './runtime/backoff.ts'
import { publishSchemas } from './runtime/decoding.ts'
import { openCounts } from './trouble/counts.ts'
import { openTroubleStage, type TroubleStage } from './trouble/trouble-stage.ts'
import type { Trouble } from './trouble/troubles.ts'

export const stageNames = ['collect', 'enrich', 'decide', 'deliver', 'index'] as const
export type StageName = (typeof stageNames)[number]

/** The world that a service runs in, opened by its caller, who also closes it. */
export interface World {
  readonly log: EventLog
  readonly velociraptor: Velociraptor
  readonly channels: ReadonlyMap<string, OpenChannel>
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
  /** The file of the index of outcomes; left out: in memory. */
  readonly indexFile?: string
  /** Looks for trouble that nobody says of itself; left out: nothing is looked for. */
  readonly look?: () => Promise<readonly Trouble[]>
}

export interface ServiceOptions {
  readonly configuration: Configuration
  readonly stages: readonly StageName[]
  /** Where a first run begins, epoch ms; null: now. */
  readonly since: EpochMs | null
}

export interface Service {
  /** Takes into account what was said outside of the stages: it may be trouble. */
  readonly note: Tell
  /** Settles only with what ended the service: a defect, or what a connector denied. Never once stopped. */
  readonly failed: Promise<never>
  /** Judges by these monitors from the next turn on. Windows and batches belong to a monitor's name and go on. */
  reload(configuration: Configuration): void
  /** Begins nothing more, waits for letters under way and their receipts. */
  stop(): Promise<void>
}

/** What watches for the relay's own trouble and gives its signs of life. */
const troubleOf = (world: World, { trouble, heartbeat }: Configuration): TroubleStage => {
  if (trouble === null && heartbeat === null)
    return { running: NEVER, note: () => undefined, settled: () => Promise.resolve() }
  const { log, velociraptor, clock, tell, look } = world
  const counts = openCounts(clock.now())
  const stage = openTroubleStage({
    log,
    clock,
    tell,
    afterMs: trouble?.afterMs ?? 0,
    users: trouble?.users ?? [],
    messages: velociraptorMessages(velociraptor),
    look: trouble === null ? null : (look ?? null),
    heartbeatAfter: heartbeat === null ? null : heartbeatTimes(heartbeat),
    counts,
  })
  return {
    running: stage.running,
    settled: () => stage.settled(),
    note(happening) {
      counts.note(happening)
      if (trouble !== null) stage.note(happening)
    },
  }
}

/** Says it once at the start when there are no in-app messages. */
const sayIfTooOld = async (messages: MailSink, tell: Tell): Promise<void> => {
  const { kind, text } = await messages.probe()
  if (kind === 'refused') tell({ name: 'in-app messages refused', reason: text })
}

/** Runs stages over a log until it is stopped or fails. */
export const startService = async (world: World, options: ServiceOptions): Promise<Service> => {
  const { log, velociraptor, channels, clock, random, indexFile } = world
  const { configuration, stages, since } = options
  const trouble = troubleOf(world, configuration)
  const tell: Tell = (happening) => {
    world.tell(happening)
    trouble.note(happening)
  }
  const common = { log, clock, random, tell }
  const rulesOf = (from: Configuration) => ({ monitors: monitorsOf(from), configuration: configurationHash(from) })
  const rules = new BehaviorSubject(rulesOf(configuration))
  const messages = openMessageChannel(velociraptor)
  const inApp: OpenChannel = { name: inAppChannel, sink: messages, from: nobody }
  if (configuration.monitors.some(({ channel }) => channel === inAppChannel)) void sayIfTooOld(messages, tell)
  const delivery = deliver({
    ...common,
    channels: new Map([...channels, [inAppChannel, inApp]]),
    process: randomUUID(),
    compose: composeNotices({ velociraptor, guiUrl: configuration.velociraptor.guiUrl }),
  })
  const running: Record<StageName, () => Observable<never>> = {
    collect: () =>
      collect({
        ...common,
        velociraptor,
        orgs: configuration.velociraptor.orgs,
        sources: rules.pipe(map(({ monitors }) => sourcesOf(monitors))),
        since,
      }),
    enrich: () => enrich({ ...common, velociraptor, orgs: configuration.velociraptor.orgs }),
    decide: () => decide({ log, clock, tell, monitors: () => rules.value }),
    deliver: () =>
      // A refused login ends the service: the people whom letters do not reach are told first.
      delivery.running.pipe(
        catchError((cause: unknown) => from(trouble.settled()).pipe(mergeMap(() => throwError(() => cause)))),
      ),
    index: () => index({ ...common, file: indexFile ?? null }),
  }
  await publishSchemas(log)
  const subscription = new Subscription()
  const failed = new Promise<never>((_, reject) => {
    const all = [...stages.map((stage) => running[stage]()), trouble.running]
    subscription.add(merge(...all).subscribe({ error: reject }))
  })
  // Who stops a service may not listen for its failure any more.
  failed.catch(() => undefined)
  return {
    failed,
    note: trouble.note,
    reload(changed) {
      rules.next(rulesOf(changed))
    },
    async stop() {
      subscription.unsubscribe()
      await delivery.idle()
    },
  }
}
