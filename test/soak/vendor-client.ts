/**
 * `node test/soak/vendor-client.ts --command FILE`: the vendor's own Python client (`pip install pyvelociraptor` brings the command
 * `pyvelociraptor`) asks the stand-in server over gRPC as it would a real one: lookups, variables, a history, a live stream, another organisation,
 * what is refused.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startStandIn } from '../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'

const { values } = parseArgs({ options: { command: { type: 'string', default: 'pyvelociraptor' } } })
const client_id = 'C.1111111111111111'
const completion = 'System.Flow.Completion'
const emitEveryMs = 400
const patienceMs = 60_000

const dir = mkdtempSync(join(tmpdir(), 'relay-vendor-client-'))
const clock = systemClock()
const world = createWorld({
  now: clock.now(),
  orgs: [{ id: 'O1', name: 'Lab' }],
  clients: [
    { client_id, os_info: { fqdn: 'host1.example.org' } },
    { org: 'O1', client_id: 'C.2222222222222222' },
  ],
  users: [{ name: 'reader', roles: ['reader'] }],
})
world.emit('root', completion, { ClientId: client_id, FlowId: 'F.STORED' }, clock.now())
const server = await startStandIn({ world, clock, dir, port: 0 })
const reader = server.apiConfigFor('reader')

const ask = (query: string, ...words: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    const given = ['--config', server.apiConfig, ...words, query]
    execFile(values.command, given, { timeout: patienceMs }, (error, stdout, stderr) =>
      resolve(`${stdout}${stderr}${error === null || stderr !== '' ? '' : error.message}`),
    )
  })

let isWrong = false
const expect = async (what: string, answer: Promise<string>, ...found: readonly RegExp[]): Promise<void> => {
  const text = await answer
  const missing = found.filter((pattern) => !pattern.test(text))
  console.log(`${missing.length === 0 ? 'ok ' : 'NO '} ${what}`)
  if (missing.length === 0) return
  isWrong = true
  console.error(`    ${missing.map(String).join(' and ')} in:\n${text}`)
}

try {
  await expect(
    'a lookup',
    ask('SELECT client_id, os_info.fqdn AS Name FROM clients()'),
    /C\.1{16}/,
    /host1\.example\.org/,
  )
  await expect(
    'a variable',
    ask(
      'SELECT name, type FROM artifact_definitions(names=Wanted)',
      '--env',
      `Wanted=${completion}`,
      '--timeout',
      '20',
    ),
    /client_event/,
  )
  await expect(
    'a history',
    ask(`SELECT * FROM monitoring(client_id='${client_id}', artifact='${completion}')`),
    /F\.STORED/,
    /'_ts': \d{13}\b/,
  )
  let emitted = 0
  const emitting = setInterval(
    () => world.emit('root', completion, { ClientId: client_id, FlowId: `F.LIVE${emitted++}` }, clock.now()),
    emitEveryMs,
  )
  await expect(
    'a live stream until its time is over',
    ask(`SELECT * FROM watch_monitoring(artifact='${completion}')`, '--timeout', '5'),
    /F\.LIVE\d/,
    /'_ts': \d{10}\b/,
    /Timeout Error/,
  )
  clearInterval(emitting)
  await expect('another organisation', ask('SELECT client_id FROM clients()', '--org', 'O1'), /C\.2{16}/)
  await expect('an organisation that is not there', ask('SELECT * FROM scope()', '--org', 'O.NONE'), /Org not found/)
  await expect(
    'an unknown queue',
    ask("SELECT * FROM watch_monitoring(artifact='No.Such')"),
    /Artifact No\.Such not known/,
  )
  await expect('no VQL', ask('SELEC nothing'), /VQL Error/)
  await expect('no permission', ask('SELECT * FROM scope()', '--config', reader), /requires permission ANY_QUERY/)
} finally {
  await server.close()
  rmSync(dir, { recursive: true, force: true })
}
process.exitCode = isWrong ? 1 : 0
