import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores are the least that CI has; a file's tests share a process.
    maxWorkers: 2,
    // Starts nothing unless a file asks for a broker.
    globalSetup: ['./test/broker/global-setup.ts'],
    reporters: ['default', './test/count-reporter.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
