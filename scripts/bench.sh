#!/usr/bin/env bash
# Measures `agent` beside what one would take instead, interleaved, and prints a table for the README.
#
#   scripts/bench.sh                                   about ten minutes, 5 GB of disk
#   BENCH_PYTHON=venv/bin/python scripts/bench.sh      the Python that has duckdb (and langgraph, where its script is)
#
# BENCH_DATA (inputs, kept), BENCH_RECORDS (1000000) and BENCH_ROUNDS (9) change the rest. Nothing is timed before the
# answers are equal. Do not use the machine meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${BENCH_PYTHON:-python3} data=${BENCH_DATA:-target/bench} records=${BENCH_RECORDS:-1000000} rounds=${BENCH_ROUNDS:-9}
"$python" -c 'import duckdb' || { echo "BENCH_PYTHON must be a Python that has duckdb: pip install duckdb" >&2; exit 1; }

unset CARGO_TARGET_DIR CARGO_BUILD_TARGET
cargo build --release --bin agent
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --manifest-path scripts/bench/floor/Cargo.toml --target-dir target/floor

mkdir -p "$data"
data=$(cd "$data" && pwd)
AGENT_STATE_DIR=$(mktemp -d) && export AGENT_STATE_DIR
trap 'rm -rf "$AGENT_STATE_DIR"' EXIT
"$python" scripts/bench/bench.py generate "$data" "$records"
"$python" scripts/bench/bench.py measure "$data" "$records" "$rounds" "$PWD/target/floor/release/floor"

echo
echo "Engine, 1,000 trivial tasks: milliseconds of the run are microseconds of a task."
cargo bench --bench engine
