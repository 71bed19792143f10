import { of } from 'rxjs'
import { expect, it } from 'vitest'
import { askRows } from '../../../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'

it.each(['NaN', '{"A":', '[1]', 'null'])('a row %s fails the query that brought it, and nothing else', async (row) => {
  const server: Velociraptor = {
    query: () => of({ kind: 'rows', rows: ['{"A":1}', row] }),
    close: () => Promise.resolve(),
  }
  await expect(askRows(server, { org: 'root', vql: 'SELECT * FROM info()' })).rejects.toMatchObject({
    code: 'VELOCIRAPTOR_UNAVAILABLE',
    message: 'the server sent a row that is no object',
  })
})
