import { describe, expect, it } from 'vitest'
import { configurationHash } from '../../../pipeline/config/hash.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

const parts = {
  gui: 'https://velociraptor.example.org/app/index.html',
  mail: 'url: smtps://mail.example.org, from: a@example.org, allowed_domains: [example.org]',
  one: 'name: one, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org], DelayThreshold: 60, HTML: Y }',
  two: 'name: two, artifact: Server.Monitor.FlowCompletion, parameters: { NotifyExecutor: true }',
}

const hashOf = (changes: Partial<typeof parts> = {}): string => {
  const { gui, mail, one, two } = { ...parts, ...changes }
  const text = `velociraptor: { api_config: api.config.yaml, gui_url: '${gui}' }\nmail: { ${mail} }\nmonitors:\n  - { ${one} }\n  - { ${two} }\n`
  const { configuration } = readConfiguration(text, surroundingsOf({}, { PASSWORD: 'hunter2' }))
  if (configuration === null) throw new Error(text)
  return configurationHash(configuration)
}

describe('the hash of a configuration', () => {
  it('is short and stays the same from version to version', () => expect(hashOf()).toBe('df0c742976a3'))

  it('does not change with what decides nothing', () => {
    expect(hashOf({ gui: 'https://other.example.org/' })).toBe(hashOf())
    expect(hashOf({ one: parts.two, two: parts.one })).toBe(hashOf())
    expect(
      hashOf({ one: parts.one.replace('DelayThreshold: 60, HTML: Y', 'HTML: true, DelayThreshold: "0x3c"') }),
    ).toBe(hashOf())
    const login = parts.mail.replace('smtps://mail', 'smtps://relay@other').concat(', password: { env: PASSWORD }')
    expect(hashOf({ mail: login })).toBe(hashOf())
  })

  it('changes with what decides', () => {
    const others = [
      hashOf(),
      hashOf({ one: parts.one.replace('60', '61') }),
      hashOf({ one: parts.one.replace('soc@', 'sic@') }),
      hashOf({ one: parts.one.replace('HTML: Y', 'ArtifactsToAlertOn: x') }),
      hashOf({ two: parts.two.replace('two', 'three') }),
      hashOf({ mail: parts.mail.replace('[example.org]', '[example.com]') }),
    ]
    expect(new Set(others).size).toBe(others.length)
  })
})
