#!/usr/bin/env bash
# Runs every test in random order and holds the coverage against its floors.
#
# A statement counts as covered whichever package's test ran it, since much of
# the engine is tested from outside, through the pipeline.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
profile=coverage.out

# Code that exists for tests and benchmarks is not held to the floors.
counted=$($go list ./... | grep -vE '/(bench|examples|apptest|internal/(lint|refmodel|simtest)|[a-z]+test)(/|$)' | paste -sd, -)

$go test -shuffle=on -timeout 40m -covermode=set -coverpkg="$counted" -coverprofile="$profile" ./... |
	sed -E '/^coverage: /d; s/\tcoverage: .*//'
awk -f scripts/coverage.awk "$profile"
