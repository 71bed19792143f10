/**
 * Keeps one warning of Node's from people's terminals: kafkajs sets timers whose time has passed, of which nobody can or need do anything.
 * Every other warning is printed as before.
 */
export const quietWarnings = (from: NodeJS.EventEmitter = process): void => {
  const printers = from.listeners('warning') as ((warning: Error) => void)[]
  from.removeAllListeners('warning')
  from.on('warning', (warning: Error) => {
    if (isKafkaTimer(warning)) return
    for (const print of printers) print.call(from, warning)
  })
}

const isKafkaTimer = ({ name, stack }: Error): boolean =>
  name === 'TimeoutNegativeWarning' && /[\\/]kafkajs[\\/]/.test(stack ?? '')
