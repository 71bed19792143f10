/** Opens the first `count` of something in order, the next one always while the present one is worked on. */
export function* oneAhead<T>(count: number, open: (n: number) => T): Generator<readonly [n: number, opened: T]> {
  let ahead = count > 0 ? open(0) : undefined
  for (let n = 0; n < count; n++) {
    const present = ahead as T
    ahead = n + 1 < count ? open(n + 1) : undefined
    yield [n, present]
  }
}
