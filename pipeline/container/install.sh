#!/bin/sh
# Makes a folder that holds what the Dockerfile copies ready to run. The Dockerfile runs it, and a test does in a folder of its own.
set -eu
# Whoever runs it has the right Node already; the packages that bring it to other machines are optional ones.
npm ci --omit=dev --omit=optional
# SQLite comes compiled for every platform, with its source.
cd node_modules/better-sqlite3
rm -rf deps src
find prebuilds -type f ! -name "linux-$(node -p process.arch).node" -delete
cd ../..
node -e "new (require('better-sqlite3'))(':memory:').prepare('SELECT 1').get()"
node pipeline/cli/relay.js --version
