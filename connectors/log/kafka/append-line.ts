import type { Kafka } from 'kafkajs'
import type { EpochMs } from '../../../schemas/time.ts'
import { type BatchWriter, type NumberedBatch, openNumbering, sendBatches } from './numbered-batches.ts'
import { mayPass, openSteadyCluster } from './steady-cluster.ts'

/** Writes batches outside of transactions, none of them twice. */
export interface AppendLine {
  /**
   * Writes one batch; no other of its partition may be under way. What is written at the same moment goes together. Answers with the offset
   * of its first record; after a rejection, with an error of the client, the line must be closed, and what else is under way ends before.
   */
  write(batch: Omit<NumberedBatch, 'firstSequence'>): Promise<number>
  close(): Promise<void>
}

export interface AppendLineOptions {
  readonly kafka: Kafka
  readonly brokers: readonly string[]
  /** How old knowledge of leaders may be, ms. */
  readonly metadata: number
  /** Some that are written to, at least one. */
  readonly topics: readonly string[]
  readonly now: () => EpochMs
}

interface Waiting {
  readonly batch: NumberedBatch
  readonly resolve: (offset: number) => void
  readonly reject: (cause: unknown) => void
}

/** A broker as the client has it; its types leave this out. */
interface NumberingBroker {
  initProducerId(of: { transactionalId?: string; transactionTimeout: number }): Promise<BatchWriter>
}

/** It means nothing outside of transactions. */
const transactionTimeout = 60_000
/** Batches of one request at most: each of them may be as large as a broker takes. */
const mostTogether = 32

/** Opens it. Rejects with errors of the client. */
export const openAppendLine = async ({
  kafka,
  brokers,
  metadata,
  topics,
  now,
}: AppendLineOptions): Promise<AppendLine> => {
  const { persistently, close } = openSteadyCluster({ kafka, brokers, metadata, topics })
  const numbered = openNumbering()
  let waiting: Waiting[] = []

  const writer = await persistently(async (cluster): Promise<BatchWriter> => {
    const broker = (await cluster.findControllerBroker()) as unknown as NumberingBroker
    const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout })
    return { producerId, producerEpoch, transactionalId: null }
  }).catch(async (cause: unknown) => {
    await close()
    throw cause
  })

  const send = async (together: readonly Waiting[]): Promise<void> => {
    const open = new Map(together.map((each) => [each.batch, each]))
    const at = now()
    try {
      await persistently(async (cluster) => {
        let trouble: Error | undefined
        await sendBatches(cluster, { batches: [...open.keys()], writer, at }, (batch, result) => {
          if (typeof result !== 'number' && mayPass(result, brokers)) return void (trouble = result)
          if (typeof result === 'number') open.get(batch)?.resolve(result)
          else open.get(batch)?.reject(result)
          open.delete(batch)
        })
        if (trouble !== undefined) throw trouble
      })
    } catch (cause) {
      for (const { reject } of open.values()) reject(cause)
    }
  }

  const sendAll = (): void => {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += mostTogether) void send(all.slice(from, from + mostTogether))
  }

  return {
    write: (batch) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(sendAll)
        waiting.push({ batch: numbered(batch), resolve, reject })
      }),
    close,
  }
}
