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
ENTRYPOINT ["relay"]
CMD ["run"]
