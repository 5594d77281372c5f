#!/usr/bin/env bash
# Installs the programs that tests start for themselves, where that is possible: on Debian or Ubuntu, as root. Nothing is
# started here, and nothing fails: tests of what is missing say that they were skipped.
set -uo pipefail

# A program that tests start, and the Debian package it is in.
programs=(
  "initdb postgresql"
  "mariadbd mariadb-server"
  "redis-server redis-server"
  "chromium chromium"
)

is_there() {
  command -v "$1" >/dev/null 2>&1 || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null || [ -x "/usr/sbin/$1" ]
}

notice() { echo "**** NOT INSTALLED: $1: $2. Its tests will be skipped." >&2; }

install() {
  # Somebody else may hold apt's lock for a while.
  timeout "$1" apt-get -qq -o DPkg::Lock::Timeout=30 "${@:2}" </dev/null >/dev/null
}

missing=()
for program in "${programs[@]}"; do
  is_there "${program% *}" || missing+=("${program#* }")
done

reason=
if [ ${#missing[@]} = 0 ]; then
  exit 0
elif [ "$(id -u)" != 0 ]; then
  reason="only root can install packages"
elif ! command -v apt-get >/dev/null 2>&1; then
  reason="there is no apt-get here"
else
  # In runlevel 1 a package does not start its service.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  install 60 update || reason="apt-get update failed"
fi

for package in "${missing[@]}"; do
  if [ -n "$reason" ]; then
    notice "$package" "$reason"
  else
    echo "installing $package for the tests ..."
    install 120 install -y --no-install-recommends "$package" || notice "$package" "apt-get failed"
  fi
done
exit 0
