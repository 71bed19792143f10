import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readApiConfig } from '../../../connectors/velociraptor/api-config.ts'
import { startStandIn, type StandIn } from '../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import { checkVelociraptor } from '../../../pipeline/check/check-velociraptor.ts'
import { type Finding, openFindings } from '../../../pipeline/check/finding.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { surroundingsOf } from '../config/surroundings-of.ts'

const inApp = 'Server.Monitor.Alerts.UserMessage'
const byMail = 'Server.Monitor.Alerts'

describe('what is checked of the server', { timeout: 60_000 }, () => {
  let dir: string
  let server: StandIn
  const world = createWorld({ now: Date.now(), orgs: [{ id: 'O1', name: 'Lab' }] })
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'relay-check-'))
    server = await startStandIn({ world, clock: systemClock(), port: 0, dir })
  })
  afterEach(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })

  const findingsOf = async (artifact: string, orgs = 'root'): Promise<readonly Finding[]> => {
    const { configuration } = readConfiguration(
      `velociraptor: { api_config: x.yaml, orgs: [${orgs}], gui_url: 'https://velociraptor.example.org' }
mail: { url: 'smtp://mail.example.org', from: relay@example.org }
monitors: [{ artifact: ${artifact}${artifact === byMail ? ', parameters: { Recipients: [soc@example.org] }' : ''} }]
`,
      surroundingsOf(),
    )
    const { config } = readApiConfig(server.apiConfig, { now: Date.now() })
    if (configuration === null || config === null) throw new Error('the test is not configured')
    const found: Finding[] = []
    await checkVelociraptor(
      configuration,
      config,
      openFindings((finding) => found.push(finding)),
    )
    return found
  }
  const ofMessages = async (artifact: string): Promise<readonly (readonly [string, string])[]> =>
    (await findingsOf(artifact))
      .filter(({ text }) => text.includes('in-app messages'))
      .map(({ kind, text }) => [kind, text])
  const tooOld = 'the server is older than 0.76.4: in-app messages are not available'

  it('fails for a monitor of in-app messages where the server is too old for them', async () => {
    world.keepsUnderServer = true
    expect(await ofMessages(inApp)).toEqual([['failure', tooOld]])
  })

  it('warns of it where nothing but the relay’s own trouble would be told so', async () => {
    world.keepsUnderServer = true
    expect(await ofMessages(byMail)).toEqual([['warning', tooOld]])
  })

  it('says nothing of it where the server has them', async () => {
    world.keepsUnderServer = false
    expect(await ofMessages(inApp)).toEqual([])
  })

  it('is asked in an organisation that is named: rights in the root organisation are not needed for others', async () => {
    world.faults.revoke('root', 'ANY_QUERY')
    const failures = (await findingsOf(byMail, 'O1')).filter(({ kind }) => kind === 'failure')
    expect(failures.map(({ text }) => text)).toEqual([])
  })
})
