import { z } from 'zod'
import { defaultSecret } from '../monitors/mail-parameters.ts'
import { durationShape } from './duration.ts'
import { alertsParameters } from '../monitors/alerts-parameters.ts'
import {
  type Alike,
  alertsArtifact,
  clientErrorsArtifact,
  type ErrorsArtifact,
  flowCompletionArtifact,
  queueAlike,
  serverErrorsArtifact,
  userMessageArtifact,
} from './monitor-artifacts.ts'
import type { Parameter } from './parameters.ts'

const nonEmpty = z.string().min(1)

/** A password never stands in the file itself. */
export const secretShape = z.union([z.strictObject({ file: nonEmpty }), z.strictObject({ env: nonEmpty })])

export const velociraptorShape = z.strictObject({
  api_config: nonEmpty.meta({
    description: 'File that `velociraptor config api_client --role api` wrote; relative to this file',
  }),
  gui_url: nonEmpty.meta({
    description: "Address of the server's GUI, for links: https://velociraptor.example.org/app/index.html",
  }),
  server_name: nonEmpty
    .optional()
    .meta({ description: "Name in the server's certificate, if it is not the usual VelociraptorServer" }),
  orgs: z.array(nonEmpty).min(1).optional().meta({
    description: "Organisation ids; '*': every one that the user may see, also those to come; default [root]",
  }),
})

/** Letters in a time: 60/h, 10/15m. */
export const ratePattern = /^(\d{1,7})\s*\/\s*(\d{0,5})(s|m|h|d)$/

const rateShape = z.string().regex(ratePattern, 'must be letters in a time, such as 60/h, 10/15m or 2000/d')
const limitShape = z.union([rateShape, z.strictObject({ rate: rateShape, burst: z.int().min(1).optional() })])

export const limitsShape = z.strictObject({
  channel: limitShape.optional().meta({
    description:
      'Letters through this channel: 600/h, or { rate: 600/h, burst: 60 }; burst: so many at once, default a tenth',
  }),
  recipient: limitShape.optional().meta({ description: 'Letters to one recipient: 60/h' }),
  domain: limitShape.optional().meta({ description: 'Letters to one mail domain: 300/h' }),
})

export const oauth2Shape = z.strictObject({
  provider: z
    .enum(['microsoft', 'google'])
    .optional()
    .meta({ description: 'Whose usual token_url and scope are used; left out: name token_url' }),
  tenant: z
    .string()
    .regex(/^[\w.-]+$/, 'must be a directory id or a domain such as example.onmicrosoft.com')
    .optional()
    .meta({ description: 'Microsoft: directory id or domain; needed without a refresh_token' }),
  token_url: nonEmpty.optional().meta({ description: 'Where access tokens are given, in place of the provider’s' }),
  scope: nonEmpty.optional().meta({ description: 'What the token is for, in place of the provider’s' }),
  client_id: nonEmpty.optional().meta({ description: 'Id of the registered application' }),
  client_secret: secretShape.optional().meta({ description: '{ file: path } or { env: NAME }' }),
  refresh_token: secretShape.optional().meta({
    description: '{ file: path } or { env: NAME }; left out: the application logs in for itself (client credentials)',
  }),
  service_account: secretShape
    .optional()
    .meta({ description: 'Google: JSON key of a service account that may act for the user in the url' }),
})

export const channelShape = z.strictObject({
  url: nonEmpty.meta({
    description: 'smtps://user@host:465 (TLS at once) or smtp://user@host:587 (STARTTLS); the password stands apart',
  }),
  password: secretShape.optional().meta({ description: '{ file: path } or { env: NAME }; needs a user in the url' }),
  oauth2: oauth2Shape
    .optional()
    .meta({ description: 'Login with access tokens (XOAUTH2), in place of a password; needs a user in the url' }),
  from: nonEmpty.meta({ description: 'From address: Velociraptor <velociraptor@example.org>' }),
  allowed_domains: z
    .array(nonEmpty)
    .optional()
    .meta({ description: 'Mail domains that recipients from creators and client metadata may have; left out: any' }),
  connections: z.int().min(1).max(50).optional().meta({ description: 'Messages sent at once; default 5' }),
  tls: z.enum(['required', 'off']).optional().meta({
    description:
      'For smtp:// urls: required (STARTTLS or nothing) or off; default required, and off for a server on this machine',
  }),
  ca_file: nonEmpty
    .optional()
    .meta({ description: 'Certificates (PEM) to trust for this server; relative to this file' }),
  limits: limitsShape.optional().meta({
    description:
      'Letters in a time at most; what is above waits, is gathered, and the severest goes first: nothing is dropped',
  }),
  give_up_after: durationShape(
    '1m',
    '30d',
    'How long a letter that the server defers is tried again before it is undeliverable; default 5d',
  ).optional(),
  hello_name: nonEmpty.optional().meta({ description: 'Name with which the relay greets the mail server' }),
})

export const channelsShape = z.strictObject({
  channels: z
    .record(z.string(), channelShape)
    .meta({ description: `Mail channels by name; a monitor's Secret chooses one (default ${defaultSecret})` }),
})

export const embeddedShape = z.strictObject({
  dir: nonEmpty.optional().meta({ description: 'Directory of the log; relative to this file; default ./relay-data' }),
  partitions: z.int().min(1).max(64).optional().meta({ description: 'Fixed when the log is made; default 4' }),
  max_size: z
    .union([z.int().min(1), z.string()], 'must be a size such as 20GiB')
    .optional()
    .meta({
      description: 'Most that the log may take on disk: 20GiB, or a number of bytes; left out: bounded by time alone',
    }),
})

const kafkaTlsShape = z.strictObject({
  ca_file: nonEmpty
    .optional()
    .meta({ description: "Certificates (PEM) to trust instead of the system's; relative to this file" }),
  cert_file: nonEmpty.optional().meta({ description: 'Certificate (PEM) to show to the brokers; needs key_file' }),
  key_file: nonEmpty.optional().meta({ description: 'Key (PEM) of cert_file' }),
})

export const kafkaShape = z.strictObject({
  brokers: z
    .array(z.string().regex(/^[^\s:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/, 'must be host:port'))
    .min(1)
    .meta({ description: 'host:port of some of the brokers' }),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be letters, digits, `.`, `_` and `-`, 100 at most')
    .optional()
    .meta({ description: 'Names of topics, groups and transactional ids begin with it; default raptor.' }),
  partitions: z.int().min(1).max(256).optional().meta({ description: 'Fixed when the topics are made; default 12' }),
  state_dir: nonEmpty.optional().meta({
    description: "Directory for a copy of the tasks' state; relative to this file; default ./relay-data",
  }),
  tls: z
    .union([z.boolean(), kafkaTlsShape], 'must be true, false or a mapping with ca_file, cert_file, key_file')
    .optional()
    .meta({ description: 'true, or files; left out: in the clear' }),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      username: nonEmpty,
      password: secretShape,
    })
    .optional()
    .meta({ description: 'Login at the brokers' }),
})

export const logShape = z.strictObject({
  embedded: embeddedShape.optional().meta({ description: 'The log inside this process' }),
  kafka: kafkaShape.optional().meta({ description: 'The log on Kafka, for any number of processes' }),
})

/** `dedup:` of monitors whose events may be alike by these facts. */
export const dedupShape = <F extends string>({ fields, alikeBy, alikeNeeds }: Omit<Alike<F>, 'others'>) =>
  z.strictObject({
    window: durationShape('1s', '30d', 'How long an event keeps those like it silent, from the one that was told: 2h'),
    by: z
      .array(z.enum(fields))
      .min(1)
      .optional()
      .meta({
        description: `What makes events alike; ${alikeNeeds === null ? '' : `${alikeNeeds} is part of it; `}default [${alikeBy.join(', ')}]`,
      }),
  })

export const batchShape = z.strictObject({
  quiet: durationShape('1s', '1d', 'A letter goes out once nothing has joined it for so long; default 30s').optional(),
  longest: durationShape('1s', '7d', '… or once it has gathered for so long; default 10m').optional(),
  most: z.int().min(1).max(500).optional().meta({ description: '… or once it holds so many events; default 50' }),
  first: z
    .enum(['now', 'gathered'])
    .optional()
    .meta({ description: 'now: the first event after a quiet time is told at once; default gathered' }),
})

export const nameShape = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,99}$/, 'must be letters, digits, `.`, `_` and `-`, 100 at most')

const letterParameters = (parameters: Readonly<Record<string, Parameter<unknown>>>) =>
  z
    .strictObject(Object.fromEntries(Object.entries(parameters).map(([name, { schema }]) => [name, schema.optional()])))
    .nullable()
    .optional()

const columnShape = z.string().min(1)

/** `alert:` of a monitor of a queue. */
export const queueAlertShape = z.strictObject({
  name: nonEmpty.meta({
    description: 'Name of the alert; {{ Column }} stands for a column of the row, dots lead into nested ones',
  }),
  severity: z.string().optional().meta({ description: 'Its severity: a word, or {{ Column }}; left out: none' }),
  context: z
    .array(columnShape)
    .optional()
    .meta({ description: 'Columns that the alert shows, in this order; left out: all' }),
})

const queueMonitorShape = z.strictObject({
  name: nameShape.optional().meta({ description: 'State belongs to it; default: the queue' }),
  queue: nonEmpty.meta({ description: 'Event artifact, or Artifact/Source, whose rows become alerts' }),
  alert: queueAlertShape.meta({ description: 'The alert that is made of a row' }),
  parameters: letterParameters(alertsParameters).meta({
    description: 'Who gets letters of these alerts beside the monitors of alerts: as for Server.Monitor.Alerts',
  }),
  dedup: dedupShape(queueAlike)
    .optional()
    .meta({ description: 'Rows like one that became an alert become none for a while' }),
  batch: batchShape.optional().meta({ description: 'Alerts for one recipient are gathered into one letter' }),
})

/** A monitor of one artifact. */
const monitorShape = <A extends string, F extends string>({
  artifact,
  parameters,
  ...alike
}: Omit<Alike<F>, 'others'> & {
  readonly artifact: A
  readonly parameters: Readonly<Record<string, Parameter<unknown>>>
}) =>
  z.strictObject({
    name: nameShape.optional().meta({ description: 'State belongs to it; default: the artifact' }),
    artifact: z.literal(artifact).meta({ description: 'Artifact of Velociraptor whose work this monitor does' }),
    parameters: letterParameters(parameters).meta({
      description: "The artifact's own parameters; those left out have the artifact's defaults",
    }),
    dedup: dedupShape(alike).optional().meta({
      description: 'Events like one that was told are not told again for a while',
    }),
    batch: batchShape.optional().meta({ description: 'Events for one recipient are gathered into one letter' }),
  })

const errorsShape = ({ artifact, parameters }: ErrorsArtifact) =>
  z.strictObject({
    name: nameShape.optional().meta({ description: 'State belongs to it; default: the artifact' }),
    artifact: z.literal(artifact).meta({ description: 'Artifact of Velociraptor whose work this monitor does' }),
    parameters: letterParameters(parameters).meta({
      description: "The artifact's own parameters; those left out have the artifact's defaults",
    }),
  })

export const httpShape = z.strictObject({
  listen: nonEmpty.meta({
    description: 'host:port for /metrics, /healthz and /readyz; nobody logs in there; default 127.0.0.1:9464',
  }),
})

const mailboxes = z.array(nonEmpty)

export const troubleShape = z.strictObject({
  to: mailboxes.optional().meta({
    description:
      'Who gets a letter when the relay is in trouble; left out: who is told of alerts of this name by a monitor',
  }),
  users: z
    .array(nonEmpty)
    .optional()
    .meta({ description: 'Users of Velociraptor who are told in its GUI when mail is the trouble; from 0.76.4 on' }),
  channel: nonEmpty.optional().meta({ description: 'Mail channel, where there are several' }),
  after: durationShape('1s', '1d', 'What is over sooner is not told; default 5m').optional(),
})

export const heartbeatShape = z.strictObject({
  every: durationShape('1m', '30d', 'How often a letter says that the relay lives, and what it did: 1d').optional(),
  cron: nonEmpty.optional().meta({
    description: 'In place of every: minute, hour, day, month and weekday, such as 0 8 * * 1-5 (at 8 on working days)',
  }),
  timezone: nonEmpty
    .optional()
    .meta({ description: "Time zone of cron, such as Europe/Berlin; left out: the machine's" }),
  to: mailboxes.min(1).meta({ description: 'Who gets it' }),
  channel: nonEmpty.optional().meta({ description: 'Mail channel, where there are several' }),
})

export const logLevelShape = z.enum(['debug', 'info', 'warn', 'error'])

/** The whole file as an editor should know it. */
export const relayShape = z.strictObject({
  velociraptor: velociraptorShape.meta({ description: 'The server that is listened to' }),
  mail: z
    .union([channelShape, channelsShape])
    .meta({ description: 'One mail channel, or `channels:` with several by name' }),
  log: logShape.optional().meta({ description: 'Where events are kept; left out: embedded, in ./relay-data' }),
  monitors: z
    .array(
      z.union([
        monitorShape(flowCompletionArtifact),
        monitorShape(alertsArtifact),
        monitorShape(userMessageArtifact),
        errorsShape(serverErrorsArtifact),
        errorsShape(clientErrorsArtifact),
        queueMonitorShape,
      ]),
    )
    .meta({ description: 'What is told to whom' }),
  http: z
    .union([z.literal('off'), httpShape], 'must be off or a mapping with listen')
    .optional()
    .meta({ description: '/metrics, /healthz and /readyz; off: not at all; default { listen: 127.0.0.1:9464 }' }),
  trouble: z
    .union([z.literal('off'), troubleShape], 'must be off or a mapping with to, users, channel, after')
    .optional()
    .meta({
      description: "The relay's own trouble: source or mail away, disk full, certificate ending; off: not told",
    }),
  heartbeat: heartbeatShape.optional().meta({ description: 'A letter at intervals that says that the relay lives' }),
  log_level: logLevelShape.optional().meta({ description: 'What the relay says of itself; default info' }),
})
