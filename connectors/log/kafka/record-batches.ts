/** A record on its way to one partition. */
export interface Outgoing {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** A batch is what a broker measures against the size that it takes. */
const batchBytes = 900_000
const recordOverhead = 80

/** Records in batches that a broker takes; a record that is too large by itself is a batch of its own. */
export function* batchesOf(records: readonly Outgoing[]): Generator<readonly Outgoing[], undefined> {
  let batch: Outgoing[] = []
  let bytes = 0
  for (const record of records) {
    const size = record.key.length + (record.value?.length ?? 0) + recordOverhead
    if (batch.length > 0 && bytes + size > batchBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += size
  }
  if (batch.length > 0) yield batch
  return undefined
}
