import { Subject } from 'rxjs'
import { batch, type BatchRule, alone, type Placed } from '../../operators/batch.ts'
import type { StateStore } from '../../operators/with-state.ts'
import type { Gathering } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Pair } from './replay-file.ts'
import type { Monitor } from '../monitors/monitor.ts'
import type { Rules } from './replay-work.ts'

/** A pair and the letter that it would be in. */
export interface InLetter {
  readonly pair: Pair
  /** Counted from 1. */
  readonly letter: number
  /** Epoch ms at which the letter would go out as things stand with this pair. */
  readonly dueAt: EpochMs
}

interface Item {
  readonly pair: Pair
  readonly now: EpochMs
}

const groupOf = ({ monitor, recipient }: Pair): string => JSON.stringify([monitor, recipient.toLowerCase()])

/**
 * Gathers pairs into letters by their monitors' rules, as deliver would: pairs of one monitor and recipient must follow each other, in
 * order of time. `now`: when each arrives; left out: when its event came to the log.
 */
export function* inLetters(pairs: Iterable<Pair>, { monitors }: Rules, now?: EpochMs): Generator<InLetter> {
  const rules = new Map<string, BatchRule>(
    Object.values(monitors)
      .flatMap((some: readonly Pick<Monitor<never>, 'name' | 'batch'>[]) => some)
      .map(({ name, batch: rule }) => [name, rule]),
  )
  let latest: { readonly key: string; readonly gathering: Gathering | undefined } | undefined
  const store: StateStore<Gathering> = {
    get: (key) => (latest?.key === key ? latest.gathering : undefined),
    put: (key, gathering) => {
      latest = { key, gathering }
    },
  }
  const items = new Subject<Item>()
  const placed: Placed<Item>[] = []
  items
    .pipe(
      batch(store, {
        idOf: ({ pair }) => `${pair.partition}/${pair.offset}`,
        keyOf: ({ pair }) => groupOf(pair),
        ruleOf: ({ pair }) => rules.get(pair.monitor) ?? alone,
      }),
    )
    .subscribe((place) => placed.push(place))
  let letter = 0
  for (const pair of pairs) {
    items.next({ pair, now: now ?? pair.at })
    const place = placed.pop() as Placed<Item>
    if (place.count === 1) letter++
    yield { pair, letter, dueAt: place.dueAt }
  }
}
