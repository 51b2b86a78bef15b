#!/usr/bin/env bash
# Runs the property tests with many cases each, scripts/soak.sh 20000, and then a
# day of events with the binary, of which there are as many times more as there
# are thousands of cases.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
checks=${1:-20000}

# Only test binaries that link rapid know its flags.
packages=$(grep -rlE '"pgregory.net/rapid"' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
[ -n "$packages" ] || { echo "no property tests"; exit 0; }
export SIMTEST_CHECKS=$checks
# shellcheck disable=SC2086 # one word a package is meant
$go test -count=1 -timeout 4h $packages -rapid.checks="$checks"
APPTEST_SOAK=$(awk -v n="$checks" 'BEGIN {print (n > 1000 ? n / 1000 : 1)}') $go test -count=1 -timeout 4h -v -run TestADay ./apptest
