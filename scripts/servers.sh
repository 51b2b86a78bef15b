#!/usr/bin/env bash
# Installs the servers that tests start, where they are missing and can be had:
# with apt-get, as root or by sudo without a password. It never fails: the
# tests of a server that is not there are skipped by name.
set -uo pipefail

# What is needed, as "program package".
servers=(
	"redis-server redis-server"
)

root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# The package would start a server of its own, which no test uses.
install() {
	root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 timeout 300 apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 </dev/null
}

may_install() {
	command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

missing=()
for server in "${servers[@]}"; do
	read -r program package <<<"$server"
	command -v "$program" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if may_install; then
	echo "installing ${missing[*]}"
	install "${missing[@]}" || {
		root timeout 300 apt-get update >/dev/null 2>&1 </dev/null
		install "${missing[@]}"
	}
fi
for server in "${servers[@]}"; do
	read -r program package <<<"$server"
	command -v "$program" >/dev/null ||
		echo "SKIPPED $program: it is not installed and could not be; the tests that start one are skipped (package $package)"
done
exit 0
