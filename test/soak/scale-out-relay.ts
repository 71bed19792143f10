/** A process that runs stages of the relay on Kafka until SIGTERM, and says what happens to it; to be killed and frozen. */
import { openSmtp } from '../../connectors/mail/smtp.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { startService, type StageName } from '../../pipeline/service.ts'
import type { Happening } from '../../schemas/happenings.ts'
import { connections, flowsOf, openPlace, type Place, scaleOutConfiguration } from './scale-out-world.ts'

const [place, stages] = JSON.parse(process.argv[2] ?? '') as [Place, readonly StageName[]]

const say = (message: Happening | { readonly failure: string } | { readonly ready: true }): void =>
  void process.send?.(message)
const tell = (happening: Happening): void => {
  if (happening.name !== 'letter delivered') say(happening)
}
const fail = (cause: unknown): never => {
  say({ failure: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) })
  process.exit(1)
}

const { velociraptor } = flowsOf(place)
const log = await openPlace(place, `scale-out-${process.pid}`, tell).catch(fail)
const sink = openSmtp({
  server: { host: '127.0.0.1', port: place.smtpPort, security: 'off' },
  login: null,
  connections,
})
const configuration = scaleOutConfiguration()
const channels = new Map(configuration.channels.map(({ name, from }) => [name, { name, from, sink }]))
const world = { log, velociraptor, channels, clock: systemClock(), random: Math.random, tell }
const service = await startService(world, { configuration, stages, since: null }).catch(fail)
service.failed.catch(fail)
process.on('SIGTERM', () => {
  void service
    .stop()
    .then(() => sink.close())
    .then(() => log.close())
    .then(() => process.exit(0), fail)
})
// Its parent is gone.
process.on('disconnect', () => process.exit(1))
say({ ready: true })
