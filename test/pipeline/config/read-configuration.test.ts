import { inspect } from 'node:util'
import fc from 'fast-check'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { describe, expect, it } from 'vitest'
import type { Configuration } from '../../../pipeline/config/configuration.ts'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration, readConfigurationOf } from '../../../pipeline/config/read-configuration.ts'
import { relayShape } from '../../../pipeline/config/relay-shape.ts'
import type { Surroundings } from '../../../pipeline/config/surroundings.ts'
import { sourceOfDocument } from '../../../pipeline/config/yaml-source.ts'
import { surroundingsOf } from './surroundings-of.ts'

const good = `velociraptor:
  api_config: ./api.config.yaml
  gui_url: https://velociraptor.example.org/app/index.html
mail:
  url: smtps://relay@mail.example.org
  password: { file: mail.password }
  from: Velociraptor <velociraptor@example.org>
  allowed_domains: [example.org]
monitors:
  - name: my-collections
    artifact: Server.Monitor.FlowCompletion
    parameters: { NotifyExecutor: true, DelayThreshold: 60 }
`

const surroundings = surroundingsOf({ '/etc/relay/mail.password': 'hunter2\n' }, { RELAY_MAIL_PASSWORD: 'hunter2' })

const printed = (text: string, around: Surroundings = surroundings): string[] =>
  readConfiguration(text, around).problems.map((problem) => printProblem(problem).replace('/etc/relay/', ''))

const configurationOf = (text: string, around: Surroundings = surroundings): Configuration => {
  const { configuration, problems } = readConfiguration(text, around)
  if (configuration === null) throw new Error(problems.map(printProblem).join('\n'))
  return configuration
}

/** The good file with one text replaced by another. */
const changed = (from: string, to: string): string => {
  if (!good.includes(from)) throw new Error(`not in the good file: ${from}`)
  return good.replace(from, to)
}

const monitorKeys = (keys: string): string =>
  changed('    parameters: { NotifyExecutor: true, DelayThreshold: 60 }', keys)
const parameters = (text: string): string => monitorKeys(`    parameters:\n      NotifyExecutor: true\n${text}`)
const severalChannels = (name: string, other: string): string =>
  good.replace(
    /mail:[^]*monitors:/,
    `mail:\n  channels:\n    ${name}: { url: 'smtp://a.example.org', from: a@example.org }\n    ${other}: { url: 'smtp://b.example.org', from: b@example.org }\nmonitors:`,
  )

describe('a good file', () => {
  it('names a log on Kafka, with defaults for what is left out', () => {
    const kafka = (text: string) => readConfiguration(`${good}log: { kafka: ${text} }\n`, surroundings)
    expect(kafka("{ brokers: ['kafka:9092'] }").configuration?.log.kafka).toEqual({
      brokers: ['kafka:9092'],
      prefix: 'raptor.',
      partitions: 12,
      stateDir: '/etc/relay/relay-data',
      tls: null,
      sasl: null,
    })
    const whole = kafka(
      "{ brokers: ['a.example.org:9093', 'b.example.org:9093'], prefix: test., partitions: 3, state_dir: /var/lib/relay, tls: true, sasl: { mechanism: scram-sha-512, username: relay, password: { file: mail.password } } }",
    )
    expect(whole.problems).toEqual([])
    expect(whole.configuration?.log.kafka).toMatchObject({
      prefix: 'test.',
      partitions: 3,
      stateDir: '/var/lib/relay',
      tls: { ca: null },
    })
    expect(whole.configuration?.log.kafka?.sasl?.password.reveal()).toBe('hunter2')
  })

  it('gives a configuration, with paths beside the file and defaults for what is left out', () => {
    const { velociraptor, channels, log, monitors, logLevel } = configurationOf(good)
    expect(velociraptor).toEqual({
      apiConfig: '/etc/relay/api.config.yaml',
      guiUrl: 'https://velociraptor.example.org/app/index.html',
      serverName: null,
      orgs: ['root'],
    })
    expect(channels).toHaveLength(1)
    expect(channels[0]).toMatchObject({
      name: 'notify_mail_secret',
      host: 'mail.example.org',
      port: 465,
      tls: 'implicit',
      from: { address: 'velociraptor@example.org', name: 'Velociraptor' },
      allowedDomains: ['example.org'],
      connections: 5,
      ca: null,
      helloName: null,
      limits: { channel: null, recipient: null, domain: null },
      giveUpAfterMs: 432_000_000,
    })
    const login = channels[0]?.login ?? null
    expect(login?.user).toBe('relay')
    expect(login !== null && 'password' in login && login.password.reveal()).toBe('hunter2')
    expect(log).toEqual({ kafka: null, embedded: { dir: '/etc/relay/relay-data', partitions: 4, maxSize: null } })
    expect(logLevel).toBe('info')
    expect(monitors.map(({ name, artifact, channel }) => [name, artifact, channel])).toEqual([
      ['my-collections', 'Server.Monitor.FlowCompletion', 'notify_mail_secret'],
    ])
    expect(monitors[0]?.parameters).toMatchObject({ DelayThreshold: 60 })
  })

  it('has no problems', () => expect(printed(good)).toEqual([]))

  it('is one that the published schema takes too', () => {
    const value: unknown = parseDocument(good).toJS()
    expect(relayShape.safeParse(value).success).toBe(true)
  })

  it('may name every key', () => {
    const full = `velociraptor: { api_config: /run/api.yaml, gui_url: 'https://v.example.org/', server_name: Other, orgs: [root, O1, O1] }
mail:
  channels:
    notify_mail_secret:
      url: smtp://relay%40example.org@mail.example.org:2525
      password: { env: RELAY_MAIL_PASSWORD }
      from: a@example.org
      allowed_domains: [Example.org, example.org]
      connections: 2
      tls: required
      ca_file: ca.pem
      hello_name: relay.example.org
      give_up_after: 36h
    local: { url: 'smtp://127.0.0.1', from: b@example.org }
log: { embedded: { dir: /var/lib/relay, partitions: 8, max_size: 20GiB } }
monitors:
  - { artifact: Server.Monitor.FlowCompletion, parameters: { NotifyExecutor: Y } }
  - { name: second, artifact: Server.Monitor.FlowCompletion, parameters: { Secret: local, NotifyExecutor: Y } }
log_level: debug
`
    const certificate = '-----BEGIN CERTIFICATE-----\n'
    const around = surroundingsOf({ '/etc/relay/ca.pem': certificate }, { RELAY_MAIL_PASSWORD: 'hunter2' })
    const { velociraptor, channels, log, monitors, logLevel } = configurationOf(full, around)
    expect(velociraptor).toMatchObject({ apiConfig: '/run/api.yaml', serverName: 'Other', orgs: ['root', 'O1'] })
    expect(channels[0]).toMatchObject({
      port: 2525,
      tls: 'required',
      login: { user: 'relay@example.org' },
      allowedDomains: ['example.org'],
      connections: 2,
      ca: certificate,
      helloName: 'relay.example.org',
      giveUpAfterMs: 129_600_000,
      limits: { channel: null, recipient: null, domain: null },
    })
    expect(channels[1]).toMatchObject({ name: 'local', host: '127.0.0.1', port: 587, tls: 'off', login: null })
    expect(log.embedded).toEqual({ dir: '/var/lib/relay', partitions: 8, maxSize: 20 * 2 ** 30 })
    expect(monitors.map(({ name, channel }) => [name, channel])).toEqual([
      ['Server.Monitor.FlowCompletion', 'notify_mail_secret'],
      ['second', 'local'],
    ])
    expect(logLevel).toBe('debug')
  })

  it('requires STARTTLS of a server that is not on this machine', () => {
    expect(configurationOf(changed('smtps://relay', 'smtp://relay')).channels[0]).toMatchObject({
      port: 587,
      tls: 'required',
    })
  })

  it('may share parts by alias', () => {
    const shared =
      good.replace('[example.org]', '&d [example.org]') +
      '  - { name: b, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: *d } }\n'
    expect(printed(shared)).toEqual([
      'relay.yaml:8:23 monitors[1].parameters.Recipients: warning: nobody is told by this monitor: set Recipients, NotifyExecutor or NotifyMetadataEMail',
      'relay.yaml:8:24 monitors[1].parameters.Recipients[0]: warning: left out: it is no mail address: it has no @',
    ])
  })
})

describe('a wrong file is refused at the place of its fault:', () => {
  const monitor = 'monitors[0]'
  it.each([
    [
      'nothing in it',
      '',
      ['1:1 velociraptor: is missing', '1:1 mail: is missing', '1:1 monitors: is missing: list at least one monitor'],
    ],
    [
      'a list',
      '- a\n',
      ['1:1: must be a mapping with velociraptor, mail, log, monitors, http, trouble, heartbeat, log_level'],
    ],
    [
      'an unknown key',
      changed('mail:', 'mial:'),
      ['1:1 mail: is missing', '4:1 mial: is not known here: did you mean mail?'],
    ],
    [
      'an unknown key far from all',
      `${good}zebra: 1\n`,
      [
        '13:1 zebra: is not known here: known are velociraptor, mail, log, monitors, http, trouble, heartbeat, log_level',
      ],
    ],
    [
      'a wrong value under a key twice',
      `${good}log_level: info\nlog_level: loud\n`,
      ['14:1: this key stands here twice: remove one', '14:12 log_level: must be one of debug, info, warn, error'],
    ],
    ['a key twice', `${good}log_level: info\nlog_level: info\n`, ['14:1: this key stands here twice: remove one']],
    ['a tab', good.replace('  from:', '\tfrom:'), ['7:1: a tab used for indentation: use spaces']],
    [
      'an open bracket',
      changed('[example.org]', '[example.org'),
      ['9:1: wrong indentation, or a bracket that is not closed'],
    ],
    [
      'two documents',
      `${good}---\na: 1\n`,
      ['13:1: a second document begins here: the file holds one, remove the `---`'],
    ],
    [
      'a tag',
      changed('[example.org]', '!!js/function x'),
      ['8:20: tags with `!` are not known here: remove it', '8:34 mail.allowed_domains: must be a list'],
    ],
    [
      'an alias without anchor',
      changed('[example.org]', '*x'),
      ['8:20: this alias has no anchor `&` of its name above it (text that begins with * needs quotes)'],
    ],
    ['an empty section', good.replace(/mail:[^]*monitors/, 'mail:\nmonitors'), ['4:1 mail: is empty: fill it in']],
    ['a missing key', changed('  from: Velociraptor <velociraptor@example.org>\n', ''), ['4:1 mail.from: is missing']],
    [
      'a key without value',
      changed('./api.config.yaml', ''),
      ['2:3 velociraptor.api_config: has no value: write one, or remove the line'],
    ],
    [
      'a GUI that is no URL',
      changed('https://velociraptor', 'velociraptor'),
      [
        '3:12 velociraptor.gui_url: must be the address of the GUI, such as https://velociraptor.example.org/app/index.html',
      ],
    ],
    [
      'a GUI URL with a login',
      changed('https://velociraptor', 'https://me:hunter2@velociraptor'),
      ['3:12 velociraptor.gui_url: must hold no user and no password: it stands in every letter'],
    ],
    [
      'a GUI URL with a fragment',
      changed('index.html', 'index.html#/dashboard'),
      ['3:12 velociraptor.gui_url: must end before ? and #: the relay adds what follows'],
    ],
    ['orgs as text', changed('mail:', '  orgs: root\nmail:'), ['4:9 velociraptor.orgs: must be a list']],
    ['no orgs', changed('mail:', '  orgs: []\nmail:'), ['4:9 velociraptor.orgs: must not be empty']],
    [
      'a password in the URL',
      changed('relay@', 'relay:hunter2@'),
      [
        '5:8 mail.url: must not hold a password: leave it out here and write `password: { file: PATH }` or `{ env: NAME }`',
      ],
    ],
    [
      'a password as text',
      changed('{ file: mail.password }', 'hunter2'),
      ['6:13 mail.password: a password must not stand in this file: write { file: PATH } or { env: NAME }'],
    ],
    [
      'a password without value',
      changed('{ file: mail.password }', ''),
      ['6:3 mail.password: a password must not stand in this file: write { file: PATH } or { env: NAME }'],
    ],
    [
      'a password as key',
      changed('{ file: mail.password }', '{ hunter2 }'),
      ['6:13 mail.password: takes one of file and env: write { file: PATH } or { env: NAME }'],
    ],
    [
      'a password file that is missing',
      changed('mail.password', 'hunter2'),
      ['6:21 mail.password.file: there is no such file: put the password there, alone, in one line'],
    ],
    [
      'a password variable that is not set',
      changed('file: mail.password', 'env: hunter2'),
      ['6:20 mail.password.env: the environment has no variable of this name, or it is empty: set it before the start'],
    ],
    [
      'a password without user',
      changed('relay@', ''),
      ['6:13 mail.password: a password needs a user: write it into the url, as in smtps://user@host'],
    ],
    [
      'a mail URL of another kind',
      changed('smtps:', 'https:'),
      ['5:8 mail.url: must begin with smtp:// or smtps://: write smtps://user@host:465 or smtp://user@host:587'],
    ],
    [
      'a mail URL with a path',
      changed('mail.example.org', 'mail.example.org/inbox'),
      ['5:8 mail.url: must end after host and port: write smtps://user@host:465 or smtp://user@host:587'],
    ],
    [
      'a mail URL without host',
      changed('relay@mail.example.org', ''),
      ['5:8 mail.url: names no host: write smtps://user@host:465 or smtp://user@host:587'],
    ],
    [
      'a bad from',
      changed('<velociraptor@example.org>', ''),
      ['7:9 mail.from: must be one mail address, such as Velociraptor <velociraptor@example.org>'],
    ],
    [
      'a bad domain',
      changed('[example.org]', '[example.org, "@b.org"]'),
      ['8:34 mail.allowed_domains[1]: must be a mail domain such as example.org, without @'],
    ],
    [
      'too many connections',
      changed('monitors:', '  connections: 1000\nmonitors:'),
      ['9:16 mail.connections: must be at most 50'],
    ],
    [
      'a letter that is given up at once',
      changed('monitors:', '  give_up_after: 0s\nmonitors:'),
      ['9:18 mail.give_up_after: must be a duration from 1m to 30d, such as 30s or 2h'],
    ],
    [
      'a letter that is never given up',
      changed('monitors:', '  give_up_after: off\nmonitors:'),
      ['9:18 mail.give_up_after: must be a duration from 1m to 30d, such as 30s or 2h'],
    ],
    [
      'half a connection',
      changed('monitors:', '  connections: 1.5\nmonitors:'),
      ['9:16 mail.connections: must be a whole number'],
    ],
    [
      'a wrong word',
      changed('monitors:', '  tls: requred\nmonitors:'),
      ['9:8 mail.tls: must be one of required, off: did you mean required?'],
    ],
    [
      'tls: off for smtps',
      changed('monitors:', '  tls: off\nmonitors:'),
      ['9:8 mail.tls: smtps:// encrypts from the first byte: remove this line, or write smtp:// in the url'],
    ],
    [
      'a missing CA',
      changed('monitors:', '  ca_file: ca.pem\nmonitors:'),
      ['9:12 mail.ca_file: there is no such file: name a file with certificates in PEM form'],
    ],
    [
      'a CA that is none',
      changed('monitors:', '  ca_file: mail.password\nmonitors:'),
      ['9:12 mail.ca_file: the file holds no certificate in PEM form'],
    ],
    [
      'a greeting that is no host',
      changed('monitors:', '  hello_name: "a\\nb"\nmonitors:'),
      ['9:15 mail.hello_name: must be a host name'],
    ],
    [
      'Kafka beside the embedded log',
      `${good}log: { embedded: {}, kafka: { brokers: ['kafka:9092'] } }\n`,
      ['13:29 log.kafka: stands beside `embedded:`, but there is one log: remove one of the two'],
    ],
    [
      'Kafka without a port, a login without a password, half a certificate',
      `${good}log: { kafka: { brokers: [kafka], sasl: { mechanism: plain, username: relay }, tls: { cert_file: ca.pem } } }\n`,
      [
        '13:27 log.kafka.brokers[0]: must be host:port',
        '13:35 log.kafka.sasl.password: is missing',
        '13:98 log.kafka.tls.cert_file: there is no such file: name a file in PEM form',
      ],
    ],
    [
      'a size without meaning',
      `${good}log: { embedded: { max_size: big } }\n`,
      ['13:30 log.embedded.max_size: must be a size such as 20GiB (units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)'],
    ],
    [
      'a size too small',
      `${good}log: { embedded: { max_size: 1MiB } }\n`,
      ['13:30 log.embedded.max_size: must be at least 64MiB and less than 8000TiB'],
    ],
    [
      'no partitions',
      `${good}log: { embedded: { partitions: 0 } }\n`,
      ['13:32 log.embedded.partitions: must be at least 1'],
    ],
    [
      'monitors as mapping',
      good.replace(/monitors:[^]*/, 'monitors: { a: 1 }\n'),
      ['9:11 monitors: must be a list of monitors, each beginning with `- artifact:`'],
    ],
    [
      'a monitor without artifact',
      changed('    artifact: Server.Monitor.FlowCompletion\n', ''),
      [`10:5 ${monitor}.artifact: is missing`],
    ],
    [
      'a mistyped artifact',
      changed('FlowCompletion', 'FlowCompletions'),
      [
        `11:15 ${monitor}.artifact: Server.Monitor.FlowCompletions is no artifact that the relay knows: did you mean Server.Monitor.FlowCompletion?`,
      ],
    ],
    [
      'a monitor of a queue',
      good + '  - { name: q, queue: Linux.Detection.Honeyfiles }\n',
      ['13:5 monitors[1].alert: is missing'],
    ],
    [
      'a window that is no duration',
      monitorKeys('    dedup: { window: 2 hours }\n    parameters: { NotifyExecutor: true }'),
      [`12:22 ${monitor}.dedup.window: must be a duration from 1s to 30d, such as 30s or 2h`],
    ],
    [
      'a window over clients',
      monitorKeys('    dedup: { window: 2h, by: [flow.creator] }\n    parameters: { NotifyExecutor: true }'),
      [`12:30 ${monitor}.dedup.by: must contain client.id: events of different clients are gathered by batch instead`],
    ],
    [
      'a window by an unknown fact',
      monitorKeys(
        '    dedup: { window: 2h, by: [client.id, flow.artifact] }\n    parameters: { NotifyExecutor: true }',
      ),
      [
        `12:42 ${monitor}.dedup.by[1]: must be one of client.id, flow.artifacts, flow.creator, flow.state, hunt.id: did you mean flow.artifacts?`,
      ],
    ],
    [
      'a batch without bounds',
      monitorKeys('    batch: { quiet: 0s, most: 1000, first: at once }\n    parameters: { NotifyExecutor: true }'),
      [
        `12:21 ${monitor}.batch.quiet: must be a duration from 1s to 1d, such as 30s or 2h`,
        `12:31 ${monitor}.batch.most: must be at most 500`,
        `12:44 ${monitor}.batch.first: must be one of now, gathered`,
      ],
    ],
    [
      'a bad name',
      changed('my-collections', '"my collections"'),
      [`10:11 ${monitor}.name: must be letters, digits, \`.\`, \`_\` and \`-\`, 100 at most`],
    ],
    [
      'two monitors of one name',
      good +
        '  - { artifact: Server.Monitor.FlowCompletion, name: my-collections, parameters: { NotifyExecutor: Y } }\n',
      ['13:54 monitors[1].name: monitors[0] is called my-collections too: give each monitor a name of its own'],
    ],
    [
      'a mistyped parameter',
      parameters('      Recipient: [soc@example.org]'),
      [`14:7 ${monitor}.parameters.Recipient: is no parameter of this artifact: did you mean Recipients?`],
    ],
    [
      'a number that is none',
      parameters('      DelayThreshold: ten'),
      [`14:23 ${monitor}.parameters.DelayThreshold: must be a whole number; leave it out for the default, 10`],
    ],
    [
      'a blank number',
      parameters('      DelayThreshold: ""'),
      [`14:23 ${monitor}.parameters.DelayThreshold: must be a whole number; leave it out for the default, 10`],
    ],
    [
      'a switch that is none',
      parameters('      HTML: maybe'),
      [`14:13 ${monitor}.parameters.HTML: must be true or false (or Y or N, as the server writes it)`],
    ],
    [
      'a pattern that RE2 refuses',
      parameters('      ArtifactsToIgnore: ^a(b'),
      [`14:26 ${monitor}.parameters.ArtifactsToIgnore: is no pattern that RE2 takes: missing closing ) at character 3`],
    ],
    [
      'a pattern with look-ahead',
      parameters("      ClientLabelsToIgnore: 'a(?!b)'"),
      [
        `14:29 ${monitor}.parameters.ClientLabelsToIgnore: is no pattern that RE2 takes: invalid or unsupported Perl syntax (RE2 has no look-ahead and no look-behind) at character 2`,
      ],
    ],
    [
      'a choice that is none',
      parameters('      AttachmentFormat: xml'),
      [`14:25 ${monitor}.parameters.AttachmentFormat: must be one of csv, jsonl`],
    ],
    [
      'an unknown word in a list',
      parameters('      ErrorHandling: [IgnoreDelays]'),
      [`14:23 ${monitor}.parameters.ErrorHandling[0]: IgnoreDelays is not known: did you mean IgnoreDelay?`],
    ],
    [
      'a parameter without value',
      parameters('      Sender:'),
      [`14:7 ${monitor}.parameters.Sender: has no value: write one, or remove the line for the default`],
    ],
    [
      'a column that is none',
      parameters('      ClientMetadata:\n        - Field: Serial\n          Alais: S'),
      [`16:11 ${monitor}.parameters.ClientMetadata[0].Alais: is no column of this table: did you mean Alias?`],
    ],
    [
      'a cell that is no pattern',
      parameters('      IncludeResultTableFrom:\n        - Source: "["'),
      [
        `15:19 ${monitor}.parameters.IncludeResultTableFrom[0].Source: is no pattern that RE2 takes: missing closing ] at character 1`,
      ],
    ],
    [
      'CSV with another header',
      parameters('      Recipients: "Adress\\nsoc@example.org"'),
      [
        `14:19 ${monitor}.parameters.Recipients: its first line must be Address, but names Adress (a list may be written instead of CSV)`,
      ],
    ],
    [
      'CSV with an open quote',
      parameters('      Recipients: "Address\\n\\"soc"'),
      [
        `14:19 ${monitor}.parameters.Recipients: is no CSV that can be read: the quote that opens in line 2 is never closed`,
      ],
    ],
    [
      'a mapping domain that is none',
      parameters('      NotifyExecutorDomains: [{ UsernameRegex: .+, Domain: a b }]'),
      [
        `14:60 ${monitor}.parameters.NotifyExecutorDomains[0].Domain: must be a mail domain such as example.org, without @`,
      ],
    ],
    [
      'an unknown channel',
      severalChannels('notify_mail_secret', 'soc').replace(
        '{ NotifyExecutor: true,',
        '{ NotifyExecutor: true, Secret: sco,',
      ),
      [`11:49 ${monitor}.parameters.Secret: there is no mail channel of this name: did you mean soc?`],
    ],
    [
      'no channel chosen',
      severalChannels('a', 'soc'),
      [`11:5 ${monitor}.parameters.Secret: is missing: name one of the mail channels a, soc`],
    ],
    [
      'a key beside channels',
      changed('mail:', 'mail:\n  channels: { a: { url: "smtp://a.example.org", from: a@example.org } }'),
      [
        '6:3 mail.url: stands beside `channels:`, but belongs into one of the channels: move it there',
        '7:3 mail.password: stands beside `channels:`, but belongs into one of the channels: move it there',
        '8:3 mail.from: stands beside `channels:`, but belongs into one of the channels: move it there',
        '9:3 mail.allowed_domains: stands beside `channels:`, but belongs into one of the channels: move it there',
      ],
    ],
    [
      'a log level that is none',
      `${good}log_level: verbose\n`,
      ['13:12 log_level: must be one of debug, info, warn, error'],
    ],
    [
      'a terminal sequence',
      `${good}"a\\e[2Jb": 1\n`,
      [
        '13:1: a key stands here that is not known: known are velociraptor, mail, log, monitors, http, trouble, heartbeat, log_level',
      ],
    ],
  ])('%s', (_fault, text, expected) => {
    const { configuration } = readConfiguration(text, surroundings)
    expect(configuration).toBeNull()
    expect(printed(text)).toEqual(expected.map((line) => `relay.yaml:${line}`))
  })

  it('all problems at once, in the order of the file', () => {
    const text = `velociraptor: { api_config: 5, gui_url: x }
mail: { url: 'ftp://x', from: nobody, password: hunter2, conections: 1 }
log: { kafka: {} }
monitors:
  - { artifact: Server.Monitor.FlowCompletion, parameters: { DelayThreshold: x, HTML: x, Sender: x, Recipients: 5 } }
  - { artifact: nothing }
log_level: loud
`
    expect(printed(text).map((line) => line.split(': ')[0])).toEqual([
      'relay.yaml:1:29 velociraptor.api_config',
      'relay.yaml:1:41 velociraptor.gui_url',
      'relay.yaml:2:14 mail.url',
      'relay.yaml:2:31 mail.from',
      'relay.yaml:2:49 mail.password',
      'relay.yaml:2:58 mail.conections',
      'relay.yaml:3:8 log.kafka.brokers',
      'relay.yaml:5:78 monitors[0].parameters.DelayThreshold',
      'relay.yaml:5:87 monitors[0].parameters.HTML',
      'relay.yaml:5:98 monitors[0].parameters.Sender',
      'relay.yaml:5:113 monitors[0].parameters.Recipients',
      'relay.yaml:6:17 monitors[1].artifact',
      'relay.yaml:7:12 log_level',
    ])
  })
})

describe('a doubtful file is read with a warning:', () => {
  const warned = (text: string, around: Surroundings = surroundings): string[] => {
    configurationOf(text, around)
    return printed(text, around)
  }
  it('a user without password', () =>
    expect(warned(changed('  password: { file: mail.password }\n', ''))).toEqual([
      'relay.yaml:5:8 mail.url: warning: names a user, but there is no `password:` beside it: the relay will not log in',
    ]))
  it('a password over an open line', () =>
    expect(warned(changed('smtps:', 'smtp:').replace('monitors:', '  tls: off\nmonitors:'))).toEqual([
      'relay.yaml:9:8 mail.tls: warning: the password would go over the network unencrypted: remove this line if the server has STARTTLS',
    ]))
  it('a password file that others can read', () => {
    const open = { text: 'hunter2', readableByOthers: true }
    const around = surroundingsOf({ '/etc/relay/mail.password': open })
    expect(warned(good, around)).toEqual([
      'relay.yaml:6:21 mail.password.file: warning: others can read the file: chmod 600 it (unless a container mounts it this way)',
    ])
  })
  it('no monitors', () =>
    expect(warned(good.replace(/monitors:[^]*/, 'monitors: []\n'))).toEqual([
      'relay.yaml:9:11 monitors: warning: is empty: nobody is told of anything',
    ]))
})

describe('a password file', () => {
  it.each([
    ['', 'the file is empty'],
    ['\n', 'the file is empty'],
    ['hunter2\nhunter3\n', 'the file has several lines'],
  ])('that holds %j is refused', (text, message) => {
    const [line] = printed(good, surroundingsOf({ '/etc/relay/mail.password': text }))
    expect(line).toContain(`relay.yaml:6:21 mail.password.file: ${message}`)
  })
})

describe('whatever stands in a file', () => {
  const word = fc.constantFrom(
    ...Object.keys(relayShape.shape),
    'artifact',
    'parameters',
    'name',
    'Recipients',
    'url',
    'channels',
    '__proto__',
    'x',
  )
  const scalar = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant('Server.Monitor.FlowCompletion'),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      scalar,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 5 }),
    ),
  }))
  const gives = (text: string): void => {
    const { configuration, problems } = readConfiguration(text, surroundings)
    expect(configuration === null).toBe(problems.some(({ level }) => level === 'error'))
    for (const { line, column, message } of problems)
      expect([line >= 1, column >= 1, message.length > 0]).toEqual([true, true, true])
  }

  it('gives a configuration or errors, never an exception: values', () => {
    fc.assert(
      fc.property(tree, (value) => gives(stringify(value))),
      { numRuns: 120 },
    )
  })
  it('gives a configuration or errors, never an exception: the good file, damaged', () => {
    const damage = fc.tuple(
      fc.nat(good.length),
      fc.nat(12),
      fc.string({ unit: fc.constantFrom(...'{}[]:,&*!|>"\'#%@` \n\t-x'), maxLength: 4 }),
    )
    fc.assert(
      fc.property(damage, ([at, gone, put]) => gives(good.slice(0, at) + put + good.slice(at + gone))),
      { numRuns: 250 },
    )
  })
  it.each([
    ['deep nesting', '['.repeat(3000)],
    ['an alias of itself', 'mail: &a { channels: { x: *a } }\nmonitors: &b [*b, *a]\nvelociraptor: *b\n'],
    [
      'a bomb of aliases',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g', 'h']
        .map(
          (key, index) =>
            `${key}: &${key} [${Array(9)
              .fill(`*${'abcdefgh'[index] ?? ''}`)
              .join(',')}]\n`,
        )
        .join('')}`,
    ],
    ['too large a file', `# ${'x'.repeat(1_048_577)}`],
  ])('gives errors soon: %s', (_what, text) => {
    const began = performance.now()
    gives(text)
    expect(readConfiguration(text, surroundings).configuration).toBeNull()
    expect(performance.now() - began).toBeLessThan(3000)
  })

  it('shows no secret, wherever it was put by mistake', () => {
    const secret = 'hunter2-TOP.secret'
    const places = [
      `{ file: ${secret} }`,
      `{ env: ${secret} }`,
      `{ ${secret}: file }`,
      `{ file: mail.password, ${secret}: x }`,
      secret,
      `[${secret}]`,
      `*${secret}`,
      `&${secret}`,
      `!${secret} x`,
      `"${secret}" x`,
      `|${secret}\n  x`,
      `{ file: { ${secret}: [] } }`,
      `${secret}: x`,
      `\n  ${secret}: x`,
      '\n  hunter2: x',
      '',
    ]
    const urls = [
      `smtps://relay:${secret}@mail.example.org`,
      `relay:${secret}@mail.example.org`,
      `smtps://relay:${secret}@`,
      `smtps://relay:${secret}@mail.example.org:x/y`,
      'smtp://relay@mail.example.org',
    ]
    const cases = fc.tuple(
      fc.constantFrom(...places),
      fc.constantFrom(...urls),
      fc.nat(good.length),
      fc.constantFrom('', ' ', '\n', '"', '{', ': '),
    )
    // A quote or a brace too many behind `password` makes a key of what follows it.
    const afterPassword = changed('smtps:', 'smtp:').indexOf('password:') + 'password:'.length
    fc.assert(
      fc.property(cases, ([place, url, at, put]) => {
        const text = changed('{ file: mail.password }', place).replace('smtps://relay@mail.example.org', url)
        const damaged = text.slice(0, at) + put + text.slice(at)
        const around = surroundingsOf({ '/etc/relay/mail.password': `${secret}\n${secret}` }, { [secret]: secret })
        const { configuration, problems } = readConfiguration(damaged, around)
        const said =
          problems.map(printProblem).join('\n') +
          JSON.stringify(problems) +
          JSON.stringify(configuration) +
          inspect(configuration, { depth: 9 })
        expect(said).not.toContain('hunter2')
      }),
      {
        numRuns: 250,
        examples: ['"', '{', '": '].map((put) => [[`{ ${secret}: file }`, urls[4] ?? '', afterPassword, put]]),
      },
    )
  })
})

describe('a part of another file', () => {
  it('is read with the places it has there', () => {
    const lines = new LineCounter()
    const document = parseDocument(
      'name: a scenario\nmonitors:\n  - { artifact: Server.Monitor.FlowCompletion, parameters: { HTML: x } }\n',
      { lineCounter: lines },
    )
    const value = {
      ...(parseDocument(good).toJS() as object),
      monitors: (document.toJS() as { monitors: unknown }).monitors,
    }
    const { problems } = readConfigurationOf(sourceOfDocument(document, lines, value), surroundings)
    expect(problems.map(({ line, column, path }) => [line, column, path])).toEqual([
      [3, 68, 'monitors[0].parameters.HTML'],
    ])
  })
})
