import { expect, it } from 'vitest'
import { oneAhead } from '../../../pipeline/replay/one-ahead.ts'

it('opens each once and in order, the next one before the present one is worked on, and none behind the last', () => {
  const said: string[] = []
  const open = (n: number): string => {
    said.push(`open ${n}`)
    return `opened ${n}`
  }
  for (const [n, opened] of oneAhead(3, open)) said.push(`work on ${n}: ${opened}`)
  expect(said).toEqual([
    'open 0',
    'open 1',
    'work on 0: opened 0',
    'open 2',
    'work on 1: opened 1',
    'work on 2: opened 2',
  ])
  expect([...oneAhead(0, open)]).toEqual([])
})

it('opens no more once nobody goes on', () => {
  const opened: number[] = []
  for (const [n] of oneAhead(9, (of) => void opened.push(of))) if (n === 1) break
  expect(opened).toEqual([0, 1, 2])
})
