import { credentials, type ServiceError } from '@grpc/grpc-js'
import { readApiConfig } from '../../../../connectors/velociraptor/api-config.ts'
import { apiService } from '../../../../connectors/velociraptor/api-messages.ts'

/** How a call ended: with an answer, or with a code of gRPC and its words. */
export interface Ended {
  readonly code: number
  readonly details?: string
  readonly answer?: Readonly<Record<string, unknown>>
}

/** Calls the API's methods of one answer, as the user of an API file. */
export interface ApiCalls {
  /** `patienceMs`: how long it waits for an answer; left out: for ever. */
  call(method: string, request: object, patienceMs?: number): Promise<Ended>
  close(): void
}

export const openCalls = (apiConfig: string): ApiCalls => {
  const { config, problems } = readApiConfig(apiConfig, { now: Date.now() })
  if (config === null) throw new Error(problems.map(({ text }) => text).join('; '))
  const Client = apiService()
  const [ca, key, certificate] = [config.ca, config.privateKey, config.certificate].map((pem) => Buffer.from(pem))
  const client = new Client(config.address, credentials.createSsl(ca, key, certificate), {
    'grpc.ssl_target_name_override': 'VelociraptorServer',
    'grpc.max_receive_message_length': -1,
  })
  type Done = (error: ServiceError | null, answer?: Ended['answer']) => void
  type Method = (request: object, options: { readonly deadline?: number }, done: Done) => void
  return {
    call: (method, request, patienceMs) =>
      new Promise((resolve) => {
        const called = client[method] as unknown as Method
        const options = patienceMs === undefined ? {} : { deadline: Date.now() + patienceMs }
        called.call(client, request, options, (error, answer) =>
          resolve(
            error === null ? { code: 0, ...(answer && { answer }) } : { code: error.code, details: error.details },
          ),
        )
      }),
    close: () => client.close(),
  }
}
