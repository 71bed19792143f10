import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { quietWarnings } from '../../../pipeline/cli/quiet-warnings.ts'

const warning = (name: string, place: string): Error =>
  Object.assign(new Error('-1 is a negative number.'), { name, stack: `${name}: -1\n    at schedule (${place}:1:1)` })

it('what kafkajs says of its own timers is not printed, and everything else is', () => {
  const from = new EventEmitter()
  const printed: string[] = []
  from.on('warning', ({ name }: Error) => printed.push(name))
  quietWarnings(from)
  from.emit('warning', warning('TimeoutNegativeWarning', '/app/node_modules/kafkajs/src/network/requestQueue/index.js'))
  from.emit('warning', warning('TimeoutNegativeWarning', '/app/pipeline/service.ts'))
  from.emit('warning', warning('DeprecationWarning', '/app/node_modules/kafkajs/src/index.js'))
  expect(printed).toEqual(['TimeoutNegativeWarning', 'DeprecationWarning'])
})
