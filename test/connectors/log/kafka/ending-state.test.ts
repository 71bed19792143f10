import { expect, it } from 'vitest'
import { ConnectorError } from '../../../../connectors/errors.ts'
import type { TaskState } from '../../../../connectors/log/event-log.ts'
import { endingState } from '../../../../connectors/log/kafka/ending-state.ts'

const sound: TaskState = { get: (key) => Buffer.from(key), range: (from) => [[from, Buffer.from('value')]] }
const failing = (code: 'LOG_UNAVAILABLE' | 'LOG_DENIED'): TaskState => {
  const fail = (): never => {
    throw new ConnectorError(code, 'no room')
  }
  return { get: fail, range: fail }
}

it('a state is read as it is, and one that cannot be read now says so first, each time', () => {
  const said: string[] = []
  const onUnavailable = ({ message }: ConnectorError): void => void said.push(message)
  const state = endingState(sound, onUnavailable)
  expect([state.get('a')?.toString(), [...state.range('a', 'b')].length, said]).toEqual(['a', 1, []])
  const broken = endingState(failing('LOG_UNAVAILABLE'), onUnavailable)
  expect(() => broken.get('a')).toThrow('no room')
  expect(() => [...broken.range('a', 'b')]).toThrow('no room')
  expect(said).toEqual(['no room', 'no room'])
  expect(() => endingState(failing('LOG_DENIED'), onUnavailable).get('a')).toThrow('no room')
  expect(said).toHaveLength(2)
})
