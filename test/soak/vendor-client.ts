/**
 * `node test/soak/vendor-client.ts --command FILE --python FILE`: the vendor's own Python client (`pip install pyvelociraptor` brings the
 * command `pyvelociraptor`, its companions beside it, and the library for that Python) talks to the stand-in server over gRPC as it would to
 * a real one: lookups, variables, a history, a live stream, events of its own, files whole and in pieces, messages larger than it takes,
 * another organisation, what is refused.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startStandIn } from '../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'

const { values } = parseArgs({
  options: {
    command: { type: 'string', default: 'pyvelociraptor' },
    python: { type: 'string', default: 'python3' },
  },
})
const client_id = 'C.1111111111111111'
const completion = 'System.Flow.Completion'
const queue = 'Custom.Watch'
const emitEveryMs = 400
const patienceMs = 60_000
/** What gRPC's clients take in one message unless told otherwise. */
const mostBytes = 4 * 1024 * 1024

/** A file that is no text, and not the same anywhere. */
const fileOf = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, n) => (n * 7 + (n >> 8)) & 255)
const files: Readonly<Record<string, Uint8Array>> = {
  'small.txt': Buffer.from('naïve <text> & more\n'),
  'empty.txt': new Uint8Array(),
  // More than one message of either program of the client.
  'pieces.bin': fileOf(2_500_000),
}
const sparse = { stored: Buffer.from('01234abcj'), whole: Buffer.from('01234\0\0\0\0\0abc\0\0\0\0\0\0j') }
const ranges = [
  { offset: 0, length: 5 },
  { offset: 10, length: 3 },
  { offset: 19, length: 1 },
]

const dir = mkdtempSync(join(tmpdir(), 'relay-vendor-client-'))
const clock = systemClock()
const world = createWorld({
  now: clock.now(),
  orgs: [{ id: 'O1', name: 'Lab' }],
  clients: [
    { client_id, os_info: { fqdn: 'host1.example.org' } },
    { org: 'O1', client_id: 'C.2222222222222222' },
  ],
  artifacts: [{ name: queue, type: 'SERVER_EVENT' }],
  users: [
    { name: 'reader', roles: ['reader'] },
    { name: 'writer', roles: ['artifact_writer'] },
    { name: 'publisher', roles: ['api'], publish_queues: [queue] },
  ],
  uploads: [
    {
      ...{ client_id, flow_id: 'F.FILES' },
      rows: Object.entries(files).map(([name, content]) => ({ client_path: `/srv/${name}`, content })),
    },
    { client_id, flow_id: 'F.GAPS', rows: [{ client_path: '/srv/gaps.bin', content: sparse.stored, ranges }] },
    { client_id, flow_id: 'F.LARGE', rows: [{ client_path: '/srv/large.bin', content: fileOf(mostBytes + 1000) }] },
    { org: 'O1', client_id: 'server', flow_id: 'F.LAB', rows: [{ client_path: 'lab.txt', content: 'of the lab' }] },
  ],
})
world.emit('root', completion, { ClientId: client_id, FlowId: 'F.STORED' }, clock.now())
const server = await startStandIn({ world, clock, dir, port: 0 })
const reader = server.apiConfigFor('reader')
const writer = server.apiConfigFor('writer')
const publisher = server.apiConfigFor('publisher')

interface Said {
  readonly bytes: Buffer
  /** What it printed, and why it ended if it failed. */
  readonly text: string
}

const run = (program: string, given: readonly string[]): Promise<Said> =>
  new Promise((resolve) => {
    // A stream of many messages is long: what it prints has no bound but the machine's.
    const options = { timeout: patienceMs, encoding: 'buffer', maxBuffer: Infinity } as const
    execFile(program, given, options, (error, stdout, stderr) => {
      const why = error === null || stderr.length > 0 ? '' : error.message
      resolve({ bytes: stdout, text: `${stdout.toString('utf8')}${stderr.toString('utf8')}${why}` })
    })
  })

const ask = async (query: string, ...words: readonly string[]): Promise<string> =>
  (await run(values.command, ['--config', server.apiConfig, ...words, query])).text

/** Prints a file of the server's store. */
const fetched = (path: string, ...words: readonly string[]): Promise<Said> =>
  run(`${values.command}_fetch`, ['--config', server.apiConfig, ...words, path])

/** Writes each upload of a flow into a folder; what is there then, by name. */
const fetchedUploads = async (flow: string, ...words: readonly string[]): Promise<string> => {
  const folder = join(dir, flow)
  mkdirSync(folder, { recursive: true })
  const given = ['--config', server.apiConfig, '--output', folder, ...words, client_id, flow]
  const { text } = await run(`${values.command}_fetch_flow_uploads`, given)
  const found = readdirSync(folder).map((name) => `${name} ${isSame(name, readFileSync(join(folder, name)))}`)
  return `${text}\n${found.join('\n')}\n`
}

const isSame = (name: string, bytes: Uint8Array): string => {
  const own = name === 'gaps.bin' ? sparse.whole : files[name]
  return own !== undefined && Buffer.compare(own, bytes) === 0 ? 'is the same' : `is another, of ${bytes.length} bytes`
}

/** Lets the client's library do something with a stub of the API. */
const python = async (deed: string): Promise<string> => {
  const given = [
    'import sys, grpc, pyvelociraptor',
    'from pyvelociraptor import api_pb2, api_pb2_grpc',
    'from pyvelociraptor.velo_pandas import DataFrameQuery',
    'config = pyvelociraptor.LoadConfigFile(sys.argv[1])',
    'pem = lambda key: config[key].encode()',
    'trust = grpc.ssl_channel_credentials(pem("ca_certificate"), pem("client_private_key"), pem("client_cert"))',
    'name = (("grpc.ssl_target_name_override", "VelociraptorServer"),)',
    'stub = api_pb2_grpc.APIStub(grpc.secure_channel(config["api_connection_string"], trust, name))',
    'try:',
    `    print(${deed})`,
    'except grpc.RpcError as error:',
    '    print(error.code(), error.details())',
  ]
  return (await run(values.python, ['-c', given.join('\n'), server.apiConfig])).text
}
const uploadsOf = (flow: string): string => `clients/${client_id}/collections/${flow}/uploads/file/srv`
const bufferOf = (flow: string, name: string, more: string): string =>
  `stub.VFSGetBuffer(api_pb2.VFSFileBuffer(components="${uploadsOf(flow)}/${name}".split("/"), ${more}))`

let isWrong = false
const expect = async (what: string, answer: Promise<string>, ...found: readonly RegExp[]): Promise<void> => {
  const text = await answer
  const missing = found.filter((pattern) => !pattern.test(text))
  console.log(`${missing.length === 0 ? 'ok ' : 'NO '} ${what}`)
  if (missing.length === 0) return
  isWrong = true
  console.error(`    ${missing.map(String).join(' and ')} in:\n${text}`)
}

try {
  await expect(
    'a lookup',
    ask('SELECT client_id, os_info.fqdn AS Name FROM clients()'),
    /C\.1{16}/,
    /host1\.example\.org/,
  )
  await expect(
    'a variable',
    ask(
      'SELECT name, type FROM artifact_definitions(names=Wanted)',
      '--env',
      `Wanted=${completion}`,
      '--timeout',
      '20',
    ),
    /client_event/,
  )
  await expect(
    'a history',
    ask(`SELECT * FROM monitoring(client_id='${client_id}', artifact='${completion}')`),
    /F\.STORED/,
    /'_ts': \d{13}\b/,
  )
  let emitted = 0
  const emitting = setInterval(
    () => world.emit('root', completion, { ClientId: client_id, FlowId: `F.LIVE${emitted++}` }, clock.now()),
    emitEveryMs,
  )
  await expect(
    'a live stream until its time is over',
    ask(`SELECT * FROM watch_monitoring(artifact='${completion}')`, '--timeout', '5'),
    /F\.LIVE\d/,
    /'_ts': \d{10}\b/,
    /Timeout Error/,
  )
  clearInterval(emitting)
  await expect('another organisation', ask('SELECT client_id FROM clients()', '--org', 'O1'), /C\.2{16}/)
  await expect('an organisation that is not there', ask('SELECT * FROM scope()', '--org', 'O.NONE'), /Org not found/)
  await expect(
    'an unknown queue',
    ask("SELECT * FROM watch_monitoring(artifact='No.Such')"),
    /Artifact No\.Such not known/,
  )
  await expect('no VQL', ask('SELEC nothing'), /VQL Error/)
  await expect('no permission', ask('SELECT * FROM scope()', '--config', reader), /requires permission ANY_QUERY/)
  await expect(
    'a table for pandas, whose query says nothing of how many rows',
    python('DataFrameQuery("SELECT client_id, os_info.fqdn AS Name FROM clients()", config=config)'),
    /\{'client_id': \['C\.1{16}'\], 'Name': \['host1\.example\.org'\]\}/,
  )

  const push = async (user: string, event: string, to = queue): Promise<string> =>
    (await run(`${values.command}_push_event`, [user, to, event])).text
  await expect('an event of its own', push(publisher, '[{"Text": "one"}, {"Text": "two"}]'), /^\s*$/)
  await expect(
    'is in the history',
    ask(`SELECT * FROM monitoring(client_id='server', artifact='${queue}')`),
    /'Text': 'one', '_Sender': 'publisher', '_Source': 'publisher'.*'Text': 'two'/,
  )
  await expect('an event of a queue that is not granted', push(reader, '{}'), /PERMISSION_DENIED/, /PUBLISH reader to/)
  await expect(
    "an event of a queue that is not the server's to fill",
    push(publisher, '{"N": 1}', 'Server.Internal.Interrogation'),
    /PERMISSION_DENIED/,
  )

  const same = async (name: string, path: string, ...words: readonly string[]): Promise<string> =>
    isSame(name, (await fetched(path, ...words)).bytes)
  for (const name of Object.keys(files))
    await expect(`the file ${name}`, same(name, `${uploadsOf('F.FILES')}/${name}`), /^is the same$/)
  await expect('a path from the root', same('small.txt', `/${uploadsOf('F.FILES')}/small.txt`), /^is the same$/)
  await expect(
    "a reader's file",
    same('small.txt', `${uploadsOf('F.FILES')}/small.txt`, '--config', reader),
    /^is the same$/,
  )
  await expect(
    'all uploads of a flow',
    fetchedUploads('F.FILES'),
    ...Object.keys(files).map((name) => new RegExp(`^${name} is the same$`, 'm')),
  )
  await expect('a sparse upload with its gaps', fetchedUploads('F.GAPS'), /^gaps\.bin is the same$/m)
  await expect('no uploads', fetchedUploads('F.NONE'), /^\s*$/)
  await expect('uploads packed, without the permission', fetchedUploads('F.FILES', '--zip'), /NoneType/)
  const textOf = async (said: Promise<Said>): Promise<string> => (await said).text
  await expect('a file that is not there', textOf(fetched(`${uploadsOf('F.FILES')}/none`)), /NOT_FOUND/, /no such file/)
  await expect(
    'a file that nobody may read',
    textOf(fetched('users/reader.db')),
    /PERMISSION_DENIED/,
    /No access to filesystem path/,
  )
  await expect(
    'a file without the permission',
    textOf(fetched(`${uploadsOf('F.FILES')}/small.txt`, '--config', writer)),
    /PERMISSION_DENIED/,
    /not allowed to view the VFS/,
  )
  const lab = 'clients/server/collections/F.LAB/uploads/data/lab.txt'
  await expect('a file of another organisation', textOf(fetched(lab, '--org', 'O1')), /^of the lab$/)
  await expect('which the root has not', textOf(fetched(lab)), /NOT_FOUND/)
  await expect(
    'a day of events as they are stored',
    textOf(fetched(`server_artifacts/${queue}/${new Date(clock.now()).toISOString().slice(0, 10)}.json`)),
    /^\{"Text":"one","_Sender":"publisher","_ts":\d{10},"_Source":"publisher"\}\n\{"Text":"two",/,
  )
  await expect(
    'bytes from the middle, and none from the end on',
    python(
      `[${['offset=1, length=4', 'offset=20, length=9', 'offset=21, length=9', 'offset=2**64-1, length=9', 'length=0'].map((place) => `${bufferOf('F.FILES', 'small.txt', place)}.data`).join(', ')}]`,
    ),
    /^\[b'a\\xc3\\xafv', b'\\n', b'', b'', b''\]$/m,
  )
  await expect(
    'the greatest length that can be asked for',
    python(`len(${bufferOf('F.FILES', 'pieces.bin', 'length=2**32-1')}.data)`),
    /^2500000$/m,
  )
  await expect(
    'an answer larger than it takes',
    python(bufferOf('F.LARGE', 'large.bin', 'length=2**32-1')),
    /RESOURCE_EXHAUSTED/,
    /larger than max/,
  )
  world.emit('root', queue, { Text: 'x'.repeat(mostBytes) }, clock.now())
  await expect(
    'a batch larger than it takes',
    ask(`SELECT * FROM monitoring(client_id='server', artifact='${queue}')`),
    /RESOURCE_EXHAUSTED/,
    /larger than max/,
  )
  const cutting = setInterval(() => world.faults.cut(), 3000)
  await expect(
    'a stream whose connection breaks',
    ask('SELECT * FROM clock(period=1)'),
    /'Unix': \d{10}/,
    /UNAVAILABLE/,
  )
  clearInterval(cutting)
} finally {
  await server.close()
  rmSync(dir, { recursive: true, force: true })
}
process.exitCode = isWrong ? 1 : 0
