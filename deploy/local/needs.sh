#!/bin/sh
# What compiling needs: cargo, a C compiler and make (the Kafka client is built from C). Missing C
# tools are installed where that is allowed; whatever else is missing is named with its command.
set -eu

if ! command -v cargo >/dev/null; then
    echo "cargo is missing; install Rust 1.95 or newer with rustup: https://rustup.rs" >&2
    exit 1
fi

missing=
for tool in cc c++ make; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    echo "missing:$missing; installing build-essential with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends build-essential
elif command -v apt-get >/dev/null; then
    echo "missing:$missing; install with: sudo apt-get install build-essential" >&2
    exit 1
else
    echo "missing:$missing; install a C and C++ compiler and make" >&2
    exit 1
fi
