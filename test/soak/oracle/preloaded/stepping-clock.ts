/** Preloaded into a relay: at SIGUSR2 its wall clock is set to be ahead by what the file RELAY_SOAK_CLOCK says, ms. */
import { readFileSync } from 'node:fs'

const file = process.env['RELAY_SOAK_CLOCK'] ?? ''
const real = Date.now.bind(Date)
let aheadMs = 0
const read = (): void => {
  try {
    aheadMs = Number(readFileSync(file, 'utf8'))
  } catch {
    aheadMs = 0
  }
}
read()
Date.now = () => real() + aheadMs
process.on('SIGUSR2', read)
