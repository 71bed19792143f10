import { createRequire } from 'node:module'

interface SentRequest {
  readonly sentAt: number
  readonly requestTimeout: number
  timeoutRequest(): void
}

/** What the client keeps for each connection: requests that are under way, and those that wait. */
interface RequestQueue {
  readonly enforceRequestTimeout: boolean
  readonly inflight: ReadonlyMap<number, SentRequest>
  readonly pending: readonly unknown[]
  throttleCheckTimeoutId: NodeJS.Timeout | null
  isConnected(): boolean
  scheduleRequestTimeoutCheck(): void
  scheduleCheckPendingRequests(): void
  destroy(): void
}

const lookEveryMs = 100

/**
 * The client has a timer for each of its connections, and one more for each answer. A process has a connection for each partition that it
 * writes for, and would be woken by them a thousand times a second with nothing to do: here one timer looks after all of them.
 */
const shareTimers = (queues: RequestQueue): void => {
  const { destroy, scheduleCheckPendingRequests } = queues
  const connected = new Set<RequestQueue>()
  let timer: NodeJS.Timeout | undefined

  const look = (): void => {
    const now = Date.now()
    for (const queue of connected) {
      for (const request of queue.inflight.values())
        if (now - request.sentAt > request.requestTimeout) request.timeoutRequest()
      if (!queue.isConnected()) connected.delete(queue)
    }
    if (connected.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  Object.assign(queues, {
    scheduleRequestTimeoutCheck(this: RequestQueue) {
      if (!this.enforceRequestTimeout) return
      connected.add(this)
      timer ??= setInterval(look, lookEveryMs)
    },
    scheduleCheckPendingRequests(this: RequestQueue) {
      if (this.pending.length > 0) scheduleCheckPendingRequests.call(this)
    },
    destroy(this: RequestQueue) {
      connected.delete(this)
      destroy.call(this)
    },
  })
}

const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }
shareTimers(prototype)
