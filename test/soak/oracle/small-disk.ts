import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A disk of its own under a directory, which may be full. */
export interface SmallDisk {
  fill(): void
  free(): void
  close(): void
}

const size = 96 * 1024 * 1024
const chunk = Buffer.alloc(1024 * 1024)

/** Mounts a small disk at a directory, which it makes; null: whoever runs this may not. */
export const mountSmallDisk = (dir: string): SmallDisk | null => {
  mkdirSync(dir, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'small-disk', dir], { stdio: 'ignore' })
  } catch {
    return null
  }
  const ballast = join(dir, 'ballast')
  return {
    fill() {
      const file = openSync(ballast, 'w')
      try {
        for (let bytes = chunk; ;) {
          try {
            writeSync(file, bytes)
          } catch {
            // To the last byte.
            if (bytes.length === 1) return
            bytes = bytes.subarray(0, Math.ceil(bytes.length / 16))
          }
        }
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(ballast, { force: true }),
    close: () => void execFileSync('umount', ['-l', dir]),
  }
}
