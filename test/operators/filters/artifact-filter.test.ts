import { describe, expect, it } from 'vitest'
import { artifactFilter, type ArtifactRule } from '../../../operators/filters/artifact-filter.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { flowEvent } from '../flow-events.ts'

interface Given {
  readonly on?: string
  readonly ignore?: string
  readonly exceptFailed?: boolean
  readonly artifacts: readonly string[]
  readonly state?: string
}
const objection = ({ on = '.+', ignore = '', exceptFailed = false, artifacts, state = 'FINISHED' }: Given): string => {
  const rule: ArtifactRule = { alertOn: compilePattern(on), ignore: compilePattern(ignore), exceptFailed }
  const found = artifactFilter(rule)(flowEvent({ flow: { artifacts, state } }))
  return found === null ? '' : `${found.by}: ${found.reason}`
}

describe('the artifact filter', () => {
  it.each<[string, Given, string]>([
    ['a matching artifact', { on: 'finder$', artifacts: ['A.B', 'Linux.FileFinder'] }, ''],
    [
      'no matching artifact',
      { on: 'finder$', artifacts: ['A.B', 'C.D'] },
      'artifact: no requested artifact matches finder$: A.B, C.D',
    ],
    ['no artifact at all', { artifacts: [] }, 'artifact: no requested artifact matches .+: none'],
    ['no artifact at all, and a blank pattern', { on: '', artifacts: [] }, ''],
    [
      'one ignored artifact',
      { ignore: '^a\\.b$', artifacts: ['A.B'] },
      'artifact: the only requested artifact A.B matches ^a\\.b$, which is ignored',
    ],
    ['two ignored artifacts', { ignore: '.', artifacts: ['A.B', 'A.C'] }, ''],
    [
      'a failed flow',
      { on: 'x', artifacts: ['A.B'], state: 'ERROR' },
      'artifact: no requested artifact matches x: A.B',
    ],
    [
      'a failed flow that is excepted',
      { on: 'x', ignore: '.', artifacts: ['A.B'], state: 'ERROR', exceptFailed: true },
      '',
    ],
    [
      'a finished flow where failed ones are excepted',
      { ignore: '.', artifacts: ['A'], exceptFailed: true },
      'artifact: the only requested artifact A matches ., which is ignored',
    ],
  ])('judges %s', (_, given, expected) => expect(objection(given)).toBe(expected))
})
