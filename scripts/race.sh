#!/usr/bin/env bash
# Runs the tests of the packages that start goroutines, and of those that drive
# them, under the race detector. The packages are found, not listed: those with
# a go statement (or a WaitGroup's or errgroup's Go) outside tests, those
# marked below because they run a whole pipeline, and nothing else, as the
# detector makes pure computing ten times slower and finds nothing in it.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

if [ "$($go env CGO_ENABLED)" != 1 ] || ! command -v "$($go env CC)" >/dev/null; then
	echo "SKIPPED race detector: it needs a C compiler and CGO_ENABLED=1"
	exit 0
fi

packages=$(
	{
		grep -rlE '^\s*go (func|[a-zA-Z_.]+\()|\.Go\(func' --include='*.go' --exclude='*_test.go' . || true
		ls pipeline/*.go internal/simtest/*.go 2>/dev/null || true
	} | grep -vE '^(\./)?(tools|bench|examples)/' | xargs -r -n1 dirname | sed 's|^\./||; s|^|./|' | sort -u
)
[ -n "$packages" ] || { echo "no package starts a goroutine"; exit 0; }
# The properties are checked at length without the detector.
export SIMTEST_CHECKS=${SIMTEST_CHECKS:-20}
# The detector switches on Pebble's own invariants, one of which may panic after
# a compaction that was made to fail (L0Sublevels, v2.1.7): tests that do so run
# without it.
packages=$(grep -v '^./state/pebble$' <<<"$packages")
$go test -race -short -timeout 40m -skip 'Faults|Crash|Damage|FullDisk|CommitsWait|ContextEndsCommit' ./state/pebble
# Nor do servers, real and made up, that take minutes with it find anything that
# the rest of these tests does not.
packages=$(grep -vE '^\./kafka$|/(kafka|pg|redis|server)test$' <<<"$packages")
$go test -race -short -timeout 40m -skip 'Answers|Crashes|OnKafka|RealBroker|Outages|MemoryIs|TestTransactions|PausedPartition|CompressionBounds|SlowTransaction' ./kafka
# shellcheck disable=SC2086 # one word a package is meant
$go test -race -short -timeout 40m $packages
