#!/usr/bin/env bash
# Installs the servers that tests start, where they are missing and can be had:
# packages with apt-get (as root, or by sudo without a password), Kafka with
# Maven into a cache folder. It never fails: the tests of a server that is not
# there are skipped by name.
set -uo pipefail
cd "$(dirname "$0")" || exit 0

# What is needed, as "program package". PostgreSQL's programs are not on the
# PATH, and which folder they are in depends on the version.
programs=(
	"redis-server redis-server"
	"postgres postgresql"
	"java default-jre-headless"
	"mvn maven"
	"prometheus prometheus"
	"chromium chromium"
)
kafka_version=4.3.1
kafka="${XDG_CACHE_HOME:-$HOME/.cache}/processor/kafka-$kafka_version"

root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

have() {
	command -v "$1" >/dev/null && return
	[ "$1" = postgres ] && compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# Kafka is complete or not there at all.
have_kafka() { [ -f "$kafka/kafka_2.13-$kafka_version.jar" ]; }

# The packages would start servers of their own, which no test uses.
install() {
	root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 timeout 300 apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 </dev/null
}

may_install() {
	command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# Nor does anybody need the database that the package of PostgreSQL makes.
no_main_cluster() {
	[ -e /etc/postgresql-common/createcluster.conf ] && return
	root mkdir -p /etc/postgresql-common &&
		echo 'create_main_cluster = false' | root tee /etc/postgresql-common/createcluster.conf >/dev/null
}

# Where systemd runs, the package of Prometheus would start its own all the same.
no_prometheus_service() {
	local unit=/etc/systemd/system/prometheus.service
	[ -e "$unit" ] || [ -L "$unit" ] && return
	root mkdir -p "${unit%/*}" && root ln -s /dev/null "$unit"
}

install_packages() {
	local missing=() program package
	for entry in "${programs[@]}"; do
		read -r program package <<<"$entry"
		[ "$program" = mvn ] && have_kafka && continue
		have "$program" || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ] && may_install; then
		echo "installing ${missing[*]}"
		[[ " ${missing[*]} " == *" postgresql "* ]] && no_main_cluster
		[[ " ${missing[*]} " == *" prometheus "* ]] && no_prometheus_service
		install "${missing[@]}" || {
			root timeout 300 apt-get update >/dev/null 2>&1 </dev/null
			install "${missing[@]}"
		}
	fi
	for entry in "${programs[@]}"; do
		read -r program package <<<"$entry"
		[ "$program" = mvn ] && continue
		have "$program" ||
			echo "SKIPPED $program: it is not installed and could not be; the tests that start one are skipped (package $package)"
	done
}

install_kafka() {
	have_kafka && return
	if ! command -v mvn >/dev/null; then
		echo "SKIPPED kafka: there is no Maven to fetch it with; the tests that start a broker are skipped"
		return
	fi
	echo "fetching Kafka $kafka_version"
	local part="$kafka.part.$$"
	if timeout 600 mvn -q -B -f kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$part" >/dev/null 2>&1 </dev/null; then
		rm -rf "$kafka" # what is there is not complete
		mv "$part" "$kafka" 2>/dev/null
	fi
	rm -rf "$part"
	have_kafka || echo "SKIPPED kafka: it could not be fetched; the tests that start a broker are skipped"
}

install_packages
install_kafka
exit 0
