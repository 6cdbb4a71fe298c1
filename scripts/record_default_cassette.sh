#!/usr/bin/env bash
# Records fixtures/cassettes/default.json anew from the synthetic endpoint, after a change of the default graph's
# recommendations, its prompt, or what is sent. Needs Python 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --release --quiet
coproc endpoint { exec python3 scripts/synthetic_endpoint.py; }
trap 'kill "$endpoint_PID"' EXIT
read -r url <&"${endpoint[0]}"
scratch=$(mktemp -d)
env -i PATH="$PATH" HOME="$scratch" LLM_BASE_URL="$url" LLM_MODEL=synthetic-wordings LLM_LABEL=synthetic \
    target/release/agent run graphs/default.toml --record fixtures/cassettes/default.json --no-journal \
    --output "$scratch/report.json"
rm -r "$scratch"
