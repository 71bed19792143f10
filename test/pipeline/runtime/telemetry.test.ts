import { closeSync, openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { logTo, standardOutput } from '../../../pipeline/runtime/telemetry.ts'

describe('log lines', () => {
  it('that cannot be written end nothing, and do not grow without bound', () => {
    const file = openSync(import.meta.filename, 'r')
    const output = standardOutput(file)
    let dropped = 0
    ;(output as unknown as NodeJS.EventEmitter).on('drop', () => dropped++)
    const tell = logTo(output, 'info')
    for (let n = 0; n < 300; n++) tell({ name: 'source away', reason: 'x'.repeat(10_000) })
    closeSync(file)
    expect(dropped).toBeGreaterThan(150)
  })
})
