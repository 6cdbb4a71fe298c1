#!/bin/sh
# Holds packaging/agent@.service to systemd's own checks: no key that it does not know, and little exposed.
# `scripts/unit.sh [PROGRAM]`; needs systemd-analyze (Debian: systemd), not a running systemd.
set -eu
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/debug/agent}")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
unit="$folder/agent@example.service"
sed "s|/usr/bin/agent|$program|" packaging/agent@.service >"$unit"
said=$(systemd-analyze verify "$unit" 2>&1) || { echo "$said"; exit 1; }
[ -z "$said" ] || { echo "$said"; exit 1; }
systemd-analyze security --offline=true --threshold=15 --no-pager "$unit" | tail -1
