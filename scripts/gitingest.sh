#!/usr/bin/env bash
# Writes gitingest.txt: the repository as one text, for a reader who takes it in whole. Without dependencies, build
# output and bulk data. Needs python3 with venv, and the network the first time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=target/gitingest-venv
version=0.3.1
if [[ ! -x $venv/bin/gitingest ]] || ! "$venv/bin/pip" show gitingest 2>/dev/null | grep -qx "Version: $version"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "gitingest==$version"
fi

# What .gitignore names is left out by itself.
"$venv/bin/gitingest" . --output gitingest.txt --max-size 300000 \
    --exclude-pattern 'Cargo.lock' \
    --exclude-pattern 'fixtures/' \
    --exclude-pattern 'gitingest.txt' \
    --exclude-pattern 'output.json'
