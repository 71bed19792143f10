import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The folder of docker-compose.yml. */
export const root = join(import.meta.dirname, '../../..')

const loaderVersion = 'v2.16.2'
const whyNot = 'not run: docker-compose.yml (needs Go 1.24 or newer)'

/** What compose makes of the file, as far as tests look. */
export interface ComposeProject {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

export interface ComposeService {
  readonly image: string
  readonly build?: object
  readonly user?: string
  readonly command: readonly string[] | null
  readonly entrypoint: readonly string[] | null
  readonly environment?: Readonly<Record<string, string>>
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly stop_grace_period?: string
  readonly restart?: string
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly deploy?: {
    readonly replicas?: number
    readonly resources?: { readonly limits?: { readonly cpus?: number; readonly memory?: string } }
  }
  readonly ports?: readonly { readonly host_ip?: string }[]
  readonly volumes?: readonly { readonly source: string; readonly target: string; readonly read_only?: boolean }[]
}

/** The library that compose itself reads files with. */
const program = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:2], cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithDefaultProfiles(os.Args[2:]...))
	if err == nil {
		project, wrong := options.LoadProject(context.Background())
		if err = wrong; err == nil {
			var text []byte
			if text, err = project.MarshalJSON(); err == nil {
				fmt.Println(string(text))
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

/** Builds the loader once for each user. */
const loader = async (): Promise<string> => {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const dir = join(base, 'raptor-relay', `compose-go-${loaderVersion}-${hash('sha256', program).slice(0, 8)}`)
  const binary = join(dir, 'load')
  if (existsSync(binary)) return binary
  mkdirSync(join(dir, '..'), { recursive: true })
  const making = mkdtempSync(`${dir}-`)
  try {
    writeFileSync(join(making, 'main.go'), program)
    writeFileSync(
      join(making, 'go.mod'),
      `module load\n\ngo 1.24\n\nrequire github.com/compose-spec/compose-go/v2 ${loaderVersion}\n`,
    )
    const go = (...args: readonly string[]) => run('go', args, { cwd: making, timeout: 240_000 })
    await go('mod', 'tidy')
    await go('build', '-o', 'load', '.')
    // Another run may build at the same time: what is complete gets its name at once.
    renameSync(making, dir)
  } catch (cause) {
    rmSync(making, { recursive: true, force: true })
    if (!existsSync(binary)) throw cause
  }
  return binary
}

/** The loader, or null where it cannot be had, which is said, and is a failure in CI. */
export const composeLoader = async (): Promise<string | null> => {
  try {
    return await loader()
  } catch (cause) {
    if (process.env['CI'] !== undefined) throw new Error(whyNot, { cause })
    console.log(whyNot)
    return null
  }
}

/** Reads a compose file as compose does. Rejects with what the loader says against it. */
export const loadCompose = async (
  binary: string,
  file: string,
  { profiles = [], env = {} }: { readonly profiles?: readonly string[]; readonly env?: Record<string, string> } = {},
): Promise<ComposeProject> => {
  const { stdout } = await run(binary, [file, ...profiles], { env: { ...process.env, ...env } })
  return JSON.parse(stdout) as ComposeProject
}

/** docker-compose.yml; without profiles as `docker compose up` takes it. */
export const composeProject = (binary: string, ...profiles: readonly string[]): Promise<ComposeProject> =>
  loadCompose(binary, join(root, 'docker-compose.yml'), { profiles })
