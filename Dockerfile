# One server with the embedded store. It listens on all addresses, so it takes signed tokens only:
#   docker build --tag carillon .
#   docker run --publish 8080:8080 --volume carillon-data:/data \
#     --volume ./jwt.pub.pem:/run/jwt.pem:ro --env CARILLON_JWT_KEY=/run/jwt.pem \
#     --env CARILLON_JWT_ISSUER=… --env CARILLON_JWT_AUDIENCE=… carillon

FROM node:24-trixie AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script: what is native comes prebuilt.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY actors actors
COPY cluster cluster
RUN npm run build && npm prune --omit=dev --ignore-scripts
# uWebSockets.js brings a binary for each system and version of Node; one is used.
RUN find node_modules/uWebSockets.js -name 'uws_*.node' \
  ! -name "uws_linux_$(node -p 'process.arch + "_" + process.versions.modules').node" -delete

FROM node:24-trixie-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN install --directory --owner=node --group=node --mode=0700 /data
USER node
ENV NODE_ENV=production \
    CARILLON_HOST=0.0.0.0 \
    CARILLON_PORT=8080 \
    CARILLON_ADMIN_PORT=9090 \
    CARILLON_DATA_DIR=/data \
    CARILLON_AUTH=jwt
VOLUME /data
# 8080: sockets, HTTP and the page. 9090: health and metrics, for inside the network only.
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CARILLON_ADMIN_PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["start"]
