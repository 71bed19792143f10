# The same Node as the pinned one of package.json.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./
COPY schemas schemas
COPY operators operators
COPY connectors connectors
COPY pipeline pipeline
RUN --mount=type=cache,target=/root/.npm sh pipeline/container/install.sh

FROM node:24.21.0-bookworm-slim
RUN ln -s /app/pipeline/cli/relay.js /usr/local/bin/relay \
  && install -d -o node -g node -m 0700 /var/lib/relay /srv/velociraptor
COPY --from=build /app /app
USER node
# relay.yaml is mounted here, and found without being named.
WORKDIR /etc/relay
# For `run`, where /readyz is at its usual place.
HEALTHCHECK --interval=30s --timeout=10s --retries=3 --start-period=60s --start-interval=2s \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:9464/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["relay"]
CMD ["run"]
