#!/usr/bin/env bash
# Runs every fuzz target for the given time each: scripts/fuzz.sh 30s.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
time=${1:-30s}

grep -rnoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sort |
	while IFS=: read -r file _ func; do
		dir=$(dirname "$file") target=${func#func }
		echo "== $dir $target"
		$go test "$dir" -run='^$' -fuzz="^$target\$" -fuzztime="$time" </dev/null
	done
