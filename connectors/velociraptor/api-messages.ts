import { loadSync } from '@grpc/proto-loader'
import { loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { fileURLToPath } from 'node:url'

/** One statement list of a request, as on the wire; echoed in every batch. */
export interface VqlRequest {
  readonly VQL: string
  readonly Name: string
}

/** The request of `/proto.API/Query`; 64-bit numbers as decimal text. */
export interface QueryArguments {
  readonly Query: readonly VqlRequest[]
  readonly env: readonly { readonly key: string; readonly value: string }[]
  readonly max_row: string
  readonly max_wait: string
  readonly timeout: string
  readonly org_id: string
}

/** A message of `/proto.API/Query`: a log line if `log` is not empty, else a batch of rows. 64-bit numbers as decimal text. */
export interface QueryResponse {
  readonly Response: string
  readonly Columns: readonly string[]
  readonly Query: VqlRequest | null
  readonly timestamp: string
  readonly query_id: string
  readonly part: string
  readonly log: string
}

/** The request of `/proto.API/PushEvents`. */
export interface PushEventArguments {
  /** The queue. */
  readonly artifact: string
  readonly client_id: string
  /** A JSON object a line, or one array of them. */
  readonly jsonl: Uint8Array
  readonly org_id: string
}

/** The request of `/proto.API/VFSGetBuffer`: which bytes of which file of the server's store; 64-bit numbers as decimal text. */
export interface BufferArguments {
  /** '': the components lead on from the top of the store. */
  readonly client_id: string
  readonly components: readonly string[]
  readonly offset: string
  readonly length: number
  readonly org_id: string
  /** Left out: the gaps of a sparse file are there, as zeros. */
  readonly padding?: boolean
}

/** The constructor of a client of `proto.API`, and with it the service's definition; loaded once. */
export const apiService = ((): (() => ServiceClientConstructor) => {
  let loaded: ServiceClientConstructor | undefined
  return () => (loaded ??= loadApi())
})()

const loadApi = (): ServiceClientConstructor => {
  const definition = loadSync(fileURLToPath(new URL('api.proto', import.meta.url)), {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  })
  const root = loadPackageDefinition(definition) as unknown as {
    readonly proto: { readonly API: ServiceClientConstructor }
  }
  return root.proto.API
}
