import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

const read = (http: string) =>
  readConfiguration(
    `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: { url: smtp://mail.example.org, from: relay@example.org }
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
${http}
`,
    surroundingsOf({}),
  )

describe('http:', () => {
  it.each([
    ['', { host: '127.0.0.1', port: 9464, isChosen: false }],
    ['http: off', null],
    ['http: { listen: 0.0.0.0:80 }', { host: '0.0.0.0', port: 80, isChosen: true }],
    ['http: { listen: "[::1]:9464" }', { host: '::1', port: 9464, isChosen: true }],
    ['http: { listen: localhost:0 }', { host: 'localhost', port: 0, isChosen: true }],
  ])('%s is understood', (http, expected) => {
    expect(read(http).configuration?.http).toEqual(expected)
  })

  it.each([
    ['http: on', '4:7 http: must be off or a mapping with listen'],
    [
      'http: { listen: 9464 }',
      '4:17 http.listen: is no address to listen at: write host:port, such as 127.0.0.1:9464 or [::1]:9464',
    ],
    [
      'http: { listn: 127.0.0.1:9464 }',
      ['4:1 http.listen: is missing', '4:9 http.listn: is not known here: did you mean listen?'],
    ],
    ['http: { listen: [] }', '4:17 http.listen: must be text'],
    [
      'http: { listen: "9464" }',
      '4:17 http.listen: is no address to listen at: write host:port, such as 127.0.0.1:9464 or [::1]:9464',
    ],
    [
      'http: { listen: "a:99999" }',
      '4:17 http.listen: is no address to listen at: write host:port, such as 127.0.0.1:9464 or [::1]:9464',
    ],
  ])('%s is refused', (http, expected) => {
    const { configuration, problems } = read(http)
    expect(configuration).toBeNull()
    expect(problems.map((problem) => printProblem(problem).replace(/^.*relay.yaml:/, ''))).toEqual([expected].flat())
  })
})
