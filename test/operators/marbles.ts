import { type RunHelpers, TestScheduler } from 'rxjs/testing'
import { expect } from 'vitest'

/** A test in virtual time. */
export const marbles = (test: (helpers: RunHelpers) => void) => (): void =>
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(test)
