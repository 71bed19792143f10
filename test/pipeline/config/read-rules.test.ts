import { expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { readRules } from '../../../pipeline/config/read-rules.ts'
import { surroundingsOf } from './surroundings-of.ts'

/** What is said of another set of rules beside a configuration with this mail. */
const saidWith = (mail: string, parameters: string): readonly string[] => {
  const { configuration } = readConfiguration(
    `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: ${mail}
monitors: []
`,
    surroundingsOf(),
  )
  if (configuration === null) throw new Error('the configuration cannot be used')
  const rules = `monitors:\n  - { artifact: Server.Monitor.FlowCompletion, parameters: ${parameters} }\n`
  return readRules(rules, 'other.yaml', configuration).problems.map(printProblem)
}

const channel = '{ url: smtp://mail.example.org, from: relay@example.org }'

it('other rules may name the mail channels of the configuration, and no others', () => {
  const named = (secret: string): string => `{ Secret: ${secret}, Recipients: [soc@example.org] }`
  expect(saidWith(`{ channels: { only: ${channel} } }`, named('only'))).toEqual([])
  expect(saidWith(`{ channels: { only: ${channel} } }`, named('onyl'))).toEqual([
    'other.yaml:2:70 monitors[0].parameters.Secret: there is no mail channel of this name: did you mean only?',
  ])
})

it('the only channel, where it has no name, serves other rules whatever their Secret', () => {
  expect(saidWith(channel, '{ Secret: any, Recipients: [soc@example.org] }')).toEqual([])
  expect(saidWith(`{ channels: { only: ${channel} } }`, '{ Recipients: [soc@example.org] }')).toEqual([])
})
