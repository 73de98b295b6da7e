# The image of one service, or of the operators' command line:
#
#   docker build --build-arg SERVICE=orders --tag boutique/orders:local .
#
# SERVICE is auth, products, orders, payments, inventory, notification, expiration or boutique. All eight are
# compiled in one stage that knows nothing of SERVICE, so that the second image takes seconds. Nothing here is of one
# processor: it builds for amd64 and for arm64, best each on its own, since an emulated compiler takes hours.
#
# The debug information is left out of the image. It is had, for gdb, perf and addr2line, with
#
#   docker build --build-arg SERVICE=orders --target debug --output target/debug-info .
#
# Only instructions that the builder before BuildKit knows too, since some distributions bring no other.

ARG SERVICE

# Both on the same release of Debian: a binary needs the C library it was linked with, or a newer one.
FROM rust:1.95.0-slim-trixie AS rust
FROM debian:trixie-20260918-slim AS runtime
# What every image has besides its binary: certificates to trust, and OpenSSL for Kafka over TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3t64 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=65532 --group=65532 /var/lib/boutique
# By number, which is what Kubernetes can tell from root.
USER 65532:65532
# The only folder that a service writes to, and of the services only notification: mail, where there is no mail server.
WORKDIR /var/lib/boutique
ENV LOG_FORMAT=json
STOPSIGNAL SIGTERM
# `service` is a link to the one binary that is in the image, since this line cannot name it.
ENTRYPOINT ["/usr/local/bin/service"]

FROM runtime AS listening
# The binary asks its own /readyz; there is no other client in the image.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["/usr/local/bin/service", "healthcheck"]

# Not on the loopback interface, as by default: in a container that is reached from within alone.
FROM listening AS is-auth
ENV LISTEN_ADDR=0.0.0.0:3000
EXPOSE 3000

FROM listening AS is-products
ENV LISTEN_ADDR=0.0.0.0:3001
EXPOSE 3001

FROM listening AS is-orders
ENV LISTEN_ADDR=0.0.0.0:3002
EXPOSE 3002

FROM listening AS is-payments
ENV LISTEN_ADDR=0.0.0.0:3003
EXPOSE 3003

FROM listening AS is-inventory
ENV LISTEN_ADDR=0.0.0.0:3004
EXPOSE 3004

FROM listening AS is-notification
ENV LISTEN_ADDR=0.0.0.0:3005
EXPOSE 3005

FROM listening AS is-expiration
ENV LISTEN_ADDR=0.0.0.0:3006
EXPOSE 3006

FROM runtime AS is-boutique

# The workspace with nothing in its sources: the same as long as no manifest changes, whatever else does.
FROM rust AS manifests
WORKDIR /boutique
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -name build.rs \
        ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -path '*/src/bin/*.rs' -delete \
    && find . -type d -empty -delete \
    && find . -name '*.rs' -exec sh -c 'for file; do echo "fn main() { }" > "$file"; done' sh {} +

# All dependencies, in a layer that is kept until a manifest or the lock file changes. The Kafka client is built from C,
# against the system's OpenSSL: `libssl-dev` here, and `libssl3t64` above.
FROM rust AS dependencies
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libssl-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /boutique
COPY --from=manifests /boutique .
RUN cargo build --release --locked --bins $(cd services && printf -- '--package %s ' *) --package boutique

# Everything, and from each binary /image/<name>, which is what its image gets, and /debug/<name>.debug.
FROM dependencies AS build
COPY . .
# Cargo goes by times, and the sources are older than what was just compiled in their place.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --bins $(cd services && printf -- '--package %s ' *) --package boutique
# The names of functions stay, for backtraces.
RUN mkdir /debug \
    && for name in $(ls services) boutique; do \
        bin="/image/$name/usr/local/bin" \
        && mkdir -p "$bin" \
        && objcopy --only-keep-debug "target/release/$name" "/debug/$name.debug" \
        && objcopy --strip-debug --add-gnu-debuglink="/debug/$name.debug" "target/release/$name" "$bin/$name" \
        && ln -s "$name" "$bin/service" \
        || exit 1; \
    done

FROM scratch AS debug
ARG SERVICE
COPY --from=build /debug/${SERVICE}.debug /

FROM is-${SERVICE}
ARG SERVICE
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="boutique/${SERVICE}" \
      org.opencontainers.image.description="Boutique, an event-driven order platform" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/${SERVICE}/ /
