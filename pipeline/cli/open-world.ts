import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../connectors/log/kafka-log.ts'
import { openSmtp } from '../../connectors/mail/smtp.ts'
import { openTokens, type TokenGrant } from '../../connectors/mail/oauth2.ts'
import type { SmtpChannel, SmtpLogin, SmtpSecurity } from '../../connectors/mail/smtp-channel.ts'
import type { ApiConfig } from '../../connectors/velociraptor/api-config.ts'
import { openVelociraptor } from '../../connectors/velociraptor/grpc.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import { allTopics } from '../../schemas/topics.ts'
import type { Configuration, LogSettings, MailChannel, MailLogin, OAuth2Settings } from '../config/configuration.ts'
import { kafkaAccessOf } from '../config/kafka-access.ts'
import type { OpenChannel } from '../mailing/claim.ts'
import { indexFileIn } from '../index/outcome-index.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { World } from '../service.ts'

export interface OpenedWorld extends World {
  /** Closes everything in the reverse order of opening. */
  close(): Promise<void>
}

const securities: Record<MailChannel['tls'], SmtpSecurity> = { implicit: 'implicit', required: 'starttls', off: 'off' }

const loginOf = (login: MailLogin): SmtpLogin => {
  const { user } = login
  if ('password' in login) return { user, password: () => login.password.reveal() }
  const { tokenUrl: url, scope, grant } = login.oauth2
  return { user, tokens: openTokens({ url, scope, grant: grantOf(grant, user) }) }
}

const grantOf = (grant: OAuth2Settings['grant'], user: string): TokenGrant => {
  if (grant.kind === 'service account') return { kind: grant.kind, key: () => grant.key.reveal(), user }
  const { clientId, clientSecret } = grant
  if (grant.kind === 'client credentials')
    return { kind: grant.kind, clientId, clientSecret: () => grant.clientSecret.reveal() }
  const refreshToken = (): string => grant.refreshToken.reveal()
  return {
    kind: grant.kind,
    clientId,
    clientSecret: clientSecret === null ? null : () => clientSecret.reveal(),
    refreshToken,
  }
}

/** The mail server of a channel, as its adapter wants it. */
export const smtpChannelOf = ({ host, port, tls, login, ca, helloName, connections }: MailChannel): SmtpChannel => ({
  server: { host, port, security: securities[tls] },
  login: login === null ? null : loginOf(login),
  connections,
  ...(ca === null ? {} : { ca }),
  ...(helloName === null ? {} : { helloName }),
})

export const openChannels = (channels: readonly MailChannel[]): ReadonlyMap<string, OpenChannel> =>
  new Map(
    channels.map((channel) => [
      channel.name,
      {
        name: channel.name,
        from: channel.from,
        limits: channel.limits,
        giveUpAfterMs: channel.giveUpAfterMs,
        sink: openSmtp(smtpChannelOf(channel)),
      },
    ]),
  )

/** Opens the log that a configuration names. Rejects with ConnectorError. */
export const openLog = ({ embedded, kafka }: LogSettings, clock: Clock, tell: Tell): Promise<EventLog> => {
  if (kafka !== null) {
    const { prefix, partitions, stateDir } = kafka
    return openKafkaLog({ ...kafkaAccessOf(kafka), prefix, partitions, stateDir, topics: allTopics, clock, tell })
  }
  const { dir, partitions, maxSize } = embedded
  return openEmbeddedLog({
    dir,
    partitions,
    topics: allTopics,
    clock,
    tell,
    ...(maxSize === null ? {} : { retention: { maxBytes: maxSize } }),
  })
}

export interface WorldOptions {
  readonly tell: Tell
  /** Sees all that goes through the log. */
  readonly watched?: (log: EventLog) => EventLog
}

/** Opens the log, the way to Velociraptor and the mail channels of a configuration. Rejects with ConnectorError. */
export const openWorld = async (
  configuration: Configuration,
  apiConfig: ApiConfig,
  { tell, watched = (log) => log }: WorldOptions,
): Promise<OpenedWorld> => {
  const clock = systemClock()
  const log = watched(await openLog(configuration.log, clock, tell))
  const velociraptor = openVelociraptor({ config: apiConfig, tell })
  const channels = openChannels(configuration.channels)
  return {
    log,
    velociraptor,
    channels,
    clock,
    tell,
    random: Math.random,
    indexFile: indexFileIn(configuration.log.kafka?.stateDir ?? configuration.log.embedded.dir),
    async close() {
      await Promise.all([...channels.values()].map(({ sink }) => sink.close()))
      await velociraptor.close()
      await log.close()
    },
  }
}
