/** A process that works on a log's directory: `own` takes its tasks, `append` writes records; says what it did, then waits to be ended. */
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'

const [dir = '', deed = ''] = process.argv.slice(2)
const log = await openEmbeddedLog({
  dir,
  topics: [{ name: 'in' }, { name: 'out' }],
  clock: systemClock(),
  tell: () => undefined,
})
if (deed === 'own') {
  log.tasks({ name: 'reader', inputs: ['in'] }).subscribe({
    error: (error: Error) => console.log(error.message),
    next: ({ partition }) => partition === 0 && console.log('owns'),
  })
}
if (deed === 'append') {
  await log.append([{ topic: 'in', key: 'k', value: new TextEncoder().encode('from outside'), partition: 0 }])
  console.log('appended')
}
process.stdin.resume()
process.stdin.on('end', () => void log.close())
