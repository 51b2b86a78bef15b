#!/usr/bin/env bash
# Shows that the tests of durable state can fail: plants one bug after the other
# (internal/failpoint names them) and runs the tests, which must find each. Before,
# the same tests must pass without a bug.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
checks=${1:-100}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
$go test -c -tags failpoint -o "$dir/simtest" ./internal/simtest
cd internal/simtest

try() {
	PROCESSOR_PLANTED_BUG=$1 "$dir/simtest" -test.run 'Restarts|PowerLoss' -test.timeout 10m -rapid.checks="$checks" -rapid.nofailfile >"$dir/log" 2>&1
}

if ! try none; then
	cat "$dir/log"
	echo "the tests fail without a bug"
	exit 1
fi
printf '%-24s %s\n' none passes
missed=0
for bug in skip-sync trim-outbox-early position-before-state drop-shard-delta forget-watermark; do
	if try "$bug"; then
		printf '%-24s %s\n' "$bug" 'NOT FOUND'
		missed=1
	else
		printf '%-24s found by %s\n' "$bug" "$(grep -oE '^--- FAIL: \w+' "$dir/log" | awk '{print $3}' | paste -sd' ')"
	fi
done
exit $missed
