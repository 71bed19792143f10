import type { Reporter } from 'vitest/node'

/** Prints `N passed, N failed` alone on the last line. A file that could not be run counts as one failure. */
export default class CountReporter implements Reporter {
  onTestRunEnd: NonNullable<Reporter['onTestRunEnd']> = (modules, unhandled) => {
    let passed = 0
    let failed = unhandled.length
    let others = 0
    for (const module of modules) {
      const states = [...module.children.allTests()].map((test) => test.result().state)
      passed += states.filter((state) => state === 'passed').length
      failed += states.filter((state) => state === 'failed').length
      others += states.filter((state) => state !== 'passed' && state !== 'failed').length
      if (module.state() === 'failed' && !states.includes('failed')) failed += 1
    }
    process.on('exit', () =>
      console.log(`${passed} passed, ${failed} failed${others === 0 ? '' : `, ${others} skipped`}`),
    )
  }
}
