import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { throwError } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConnectorError } from '../../../connectors/errors.ts'
import type { OutgoingMail } from '../../../connectors/mail/mail.ts'
import type { Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'
import { writeLetter } from '../../../pipeline/cli/preview-command.ts'
import { findEvent, type Preview, previewEvent } from '../../../pipeline/index/preview.ts'
import { encode } from '../../../schemas/codec.ts'
import { topics } from '../../../schemas/topics.ts'
import { alertEvent } from '../../operators/alert-events.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { flowOf, type IndexWorld, openIndexWorld } from '../index/index-world.ts'
import { runRelay, writeConfiguration } from './run-relay.ts'

let world: IndexWorld
beforeEach(async () => {
  world = await openIndexWorld()
})
afterEach(() => world.dispose())

const away: Velociraptor = {
  query: () => throwError(() => new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'nobody answers')),
  close: () => Promise.resolve(),
}
const preview = async (word: string): Promise<readonly Preview[] | null> => {
  const event = await world.ask((reading) => findEvent(reading, word))
  return event === null
    ? null
    : previewEvent(event, { configuration: world.configuration, velociraptor: away, clock: world.clock })
}

describe('a preview of an event', () => {
  it('has a letter of each monitor to each of its recipients, also where it was not told', async () => {
    await world.run()
    await world.events(flowOf(3))
    await world.pass(60_000)
    const previews = await preview('F.3')
    expect(previews?.map(({ monitor, letters }) => [monitor, letters.map(({ to }) => to.address)])).toEqual([
      ['soc', ['soc@example.org', 'lead@example.org']],
      ['nobody', []],
      ['gathered', ['batch@example.org']],
    ])
    expect(previews?.map(({ objections }) => objections.map(({ by }) => by))).toEqual([['delay'], [], []])
    const sent = world.outbox.delivered.find(({ mail }) => mail.to.address === 'batch@example.org')?.mail
    expect(previews?.[2]?.letters[0]).toMatchObject({ subject: sent?.subject, from: sent?.from, to: sent?.to })
    expect(world.outbox.delivered).toHaveLength(1)
  })

  it('finds one that no monitor has judged yet', async () => {
    await world.events(flowOf(2))
    expect((await preview('F.2'))?.[0]?.letters).toHaveLength(2)
  })

  it('remarks what the server does not give', async () => {
    const event = flowOf(2)
    await world.events(
      flowEvent({ client: event.client, flow: { ...event.flow, uploaded_files: 3 }, event: { id: event.id } }),
    )
    expect((await preview('F.2'))?.[0]?.letters[0]?.text).toMatch(/could not be read/)
  })

  it('is none of an event that nobody knows', async () => {
    expect(await preview('F.9')).toBeNull()
  })
})

describe('a letter that is written', () => {
  const mail: OutgoingMail = {
    messageId: '<a@example.org>',
    from: { address: 'relay@example.org', name: '' },
    to: { address: 'soc@example.org', name: '' },
    subject: 's',
    date: 0,
    text: 'the text',
    html: '<p>the page</p>',
    headers: [],
    attachments: [],
  }

  it('lies there as HTML, text and .eml, for its user alone', () => {
    const files = writeLetter(world.dir, '001-soc', mail)
    expect(files.map((file) => file.slice(world.dir.length + 1))).toEqual([
      '001-soc.html',
      '001-soc.txt',
      '001-soc.eml',
    ])
    expect(files.map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600, 0o600])
    expect(readFileSync(files[0] ?? '', 'utf8')).toBe('<p>the page</p>')
    expect(readFileSync(files[2] ?? '', 'utf8')).toContain('To: soc@example.org')
  })
  it('takes the place of an older one, and never writes through a link', () => {
    writeFileSync(join(world.dir, 'kept'), 'kept')
    symlinkSync(join(world.dir, 'kept'), join(world.dir, 'a.txt'))
    writeLetter(world.dir, 'a', mail)
    writeLetter(world.dir, 'a', { ...mail, html: null, text: 'anew' })
    expect(readFileSync(join(world.dir, 'kept'), 'utf8')).toBe('kept')
    expect(readFileSync(join(world.dir, 'a.txt'), 'utf8')).toBe('anew')
    expect(readdirSync(world.dir)).not.toContain('a.html')
  })
  it('stays in its folder whatever its name is', () => {
    for (const name of ['../../up', '/etc/passwd', '..', '\u001b]0;x\u0007'])
      for (const file of writeLetter(join(world.dir, 'letters'), name, mail))
        expect(file.slice(world.dir.length)).toMatch(/^\/letters\/[^/\u001b]+$/)
  })
})

describe('relay preview', () => {
  it('writes the letters of an event of the log, and says who would not be told', async () => {
    await world.run()
    await world.events(flowOf(3))
    await world.pass(60_000)
    const output = join(world.dir, 'letters')
    const { code, out } = await runRelay('preview', 'F.3', '-c', writeConfiguration(world.dir), '-o', output)
    expect(code).toBe(0)
    expect(out).toContain('would not be told, delay: completed 3 s after its creation, which is less than 10 s')
    expect(out).toContain('nobody to tell')
    expect(readdirSync(output).toSorted()).toEqual(
      ['001-soc-soc@example.org', '002-soc-lead@example.org']
        .flatMap((name) => [`${name}.eml`, `${name}.html`, `${name}.txt`])
        .toSorted(),
    )
    for (const file of readdirSync(output)) expect(out).toContain(join(output, file))
  })

  it('writes the letters of a scenario', async () => {
    mkdirSync(join(world.dir, 'x'))
    const file = join(world.dir, 'x', 'scenario.yaml')
    writeFileSync(
      file,
      `name: one letter
world:
  now: 2026-04-22T14:42:27Z
  clients: [{ client_id: C.1, os_info: { fqdn: host1.example.org } }]
  flows: [{ client_id: C.1, session_id: F.1, create_time: T-60s, request: { creator: a, artifacts: [A.B] } }]
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
timeline: [{ at: T+1s, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.1 } }]
expect: { mails: [{}] }
`,
    )
    const { code, out } = await runRelay('preview', file, '-o', join(world.dir, 'x', 'letters'), '--json')
    expect(code).toBe(0)
    const { previews } = JSON.parse(out) as { previews: { of: string; files: string[]; remarks: string[] }[] }
    expect(previews).toMatchObject([{ of: 'one letter', remarks: [] }])
    expect(readFileSync(previews[0]?.files[1] ?? '', 'utf8')).toContain('A.B')
  })

  const gui = '{ name: gui, artifact: Server.Monitor.Alerts.UserMessage }'

  it('writes the in-app message of an alert as JSON, and says to whom in its name', async () => {
    const alert = alertEvent({ data: { path: 'C:\\\\honey' } })
    await world.log.append([{ topic: topics.alertEvents.name, key: alert.name, value: encode('AlertEvent', alert) }])
    const output = join(world.dir, 'letters')
    const config = writeConfiguration(world.dir)
    writeFileSync(config, readFileSync(config, 'utf8').replace('monitors:', `monitors:\n  - ${gui}`))
    const { code, out, err } = await runRelay('preview', alert.name, '-c', config, '-o', output)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/gui:\n.*001-gui-users-like-.*administrator.*\.json/)
    const [file = ''] = readdirSync(output)
    expect(JSON.parse(readFileSync(join(output, file), 'utf8'))).toMatchObject({
      Message: alert.name,
      Alert: { path: 'C:\\\\honey' },
    })
  })

  it('writes the in-app messages of a scenario', async () => {
    const file = join(world.dir, 'messages.yaml')
    writeFileSync(
      file,
      `name: a message
world: { users: [{ name: u1, roles: [administrator] }] }
monitors: [${gui}]
timeline: [{ at: T+1s, queue: Server.Internal.Alerts, row: { name: Lockout, client_id: server, artifact: Custom.Watch, timestamp: 1776875484, event_data: {} } }]
expect: { messages: [{ to: u1 }] }
`,
    )
    const { code, out } = await runRelay('preview', file, '-o', join(world.dir, 'letters'), '--json')
    expect(code).toBe(0)
    const { previews } = JSON.parse(out) as { previews: { files: string[]; remarks: string[] }[] }
    expect(previews).toMatchObject([{ remarks: [], files: [expect.stringMatching(/001-a-message-u1\.json$/)] }])
    expect(readFileSync(previews[0]?.files[0] ?? '', 'utf8')).toContain('"Message": "Lockout"')
  })

  it('exits with 1 where nothing is found, and with 2 for a file that is no scenario', async () => {
    const config = writeConfiguration(world.dir)
    const [unknown, file] = await Promise.all([
      runRelay('preview', 'F.NONE', '-c', config),
      runRelay('preview', config),
    ])
    expect(unknown).toMatchObject({ code: 1, out: '' })
    expect(unknown.err).toContain('No event, flow or alert F.NONE')
    expect(file.code).toBe(2)
  })
})
