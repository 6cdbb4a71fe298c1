#!/usr/bin/env bash
# Measures `agent` beside what one would take instead, interleaved, and prints tables for the README.
#
#   scripts/bench.sh                                   about twenty minutes, 6 GB of disk
#   BENCH_PYTHON=venv/bin/python scripts/bench.sh      the Python that has duckdb, and of the other peers what there is
#
# BENCH_PEERS (folder of their scripts, ../shared/tools/peers; without it DuckDB alone), BENCH_DATA (inputs, kept),
# BENCH_RECORDS (1000000), BENCH_ROUNDS (9) and BENCH_AGENT (a release build to take instead of building one) change
# the rest. Nothing is timed before the answers are equal. Do not use the machine meanwhile.
set -euo pipefail
exec </dev/null # cargo hands its standard input on to rustc
cd "$(dirname "$0")/.."
python=${BENCH_PYTHON:-python3} data=${BENCH_DATA:-target/bench} records=${BENCH_RECORDS:-1000000} rounds=${BENCH_ROUNDS:-9}
"$python" -c 'import duckdb' || { echo "BENCH_PYTHON must be a Python that has duckdb: pip install duckdb" >&2; exit 1; }

unset CARGO_TARGET_DIR CARGO_BUILD_TARGET
[[ -n ${BENCH_AGENT:-} ]] || cargo build --release --bin agent
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
