import { describe, expect, it } from 'vitest'
import { listen } from '../../../connectors/http/listen.ts'

const answer = (): Response => new Response('here')

describe('a server of HTTP', () => {
  it.each(['127.0.0.1', '::1'])('answers at %s until it is closed', async (host) => {
    const server = await listen({ host, port: 0 }, answer)
    const url = `http://${server.address}/`
    expect(await (await fetch(url)).text()).toBe('here')
    await server.close()
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  it('says that its port is in use', async () => {
    const server = await listen({ host: '127.0.0.1', port: 0 }, answer)
    const port = Number(server.address.split(':')[1])
    await expect(listen({ host: '127.0.0.1', port }, answer)).rejects.toMatchObject({
      code: 'HTTP_DENIED',
      message: `127.0.0.1:${port}: the port is in use: another relay on this machine may hold it; give this one another`,
    })
    await server.close()
  })

  it('says that the address is none of this machine', async () => {
    await expect(listen({ host: '192.0.2.1', port: 0 }, answer)).rejects.toMatchObject({
      code: 'HTTP_DENIED',
      message: '192.0.2.1:0: this machine has no such address',
    })
  })

  it('does not wait for what is still being answered when it closes', async () => {
    const asked = Promise.withResolvers<undefined>()
    const server = await listen({ host: '127.0.0.1', port: 0 }, () => {
      asked.resolve(undefined)
      return new Promise<Response>(() => undefined)
    })
    const never = fetch(`http://${server.address}/`).catch(() => 'ended')
    await asked.promise
    await server.close()
    expect(await never).toBe('ended')
  })
})
