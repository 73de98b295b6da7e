#!/bin/sh
# What compiling needs: cargo, a C compiler and make (the Kafka client and the allocator are built from C), and OpenSSL with its
# headers. What is missing of C is installed where that is allowed; whatever else is missing is named with its
# command.
set -eu

if ! command -v cargo >/dev/null; then
    echo "cargo is missing; install Rust 1.95 or newer with rustup: https://rustup.rs" >&2
    exit 1
fi

missing=
for tool in cc c++ make pkg-config; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
# Where pkg-config itself is missing, OpenSSL is asked for as well; whoever has it loses nothing.
pkg-config --exists openssl 2>/dev/null || missing="$missing openssl"
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    echo "missing:$missing; installing build-essential, pkg-config and libssl-dev with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends build-essential pkg-config libssl-dev
elif command -v apt-get >/dev/null; then
    echo "missing:$missing; install with: sudo apt-get install build-essential pkg-config libssl-dev" >&2
    exit 1
else
    echo "missing:$missing; install a C and C++ compiler, make, pkg-config and OpenSSL with its headers" >&2
    exit 1
fi
