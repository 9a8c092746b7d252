#!/bin/sh
# Write fresh secrets for docker compose into a file that only its owner reads; an existing one stays.
#   deploy/write_secrets.sh .env        (or: make secrets)
set -eu

file=${1:?name the file, as .env}
if [ -e "$file" ]; then
    echo "$file is there already and stays as it is"
    exit 0
fi
new() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
scratch=$(mktemp "$file.XXXXXX")
trap 'rm -f "$scratch"' EXIT
cat > "$scratch" <<END
# What the agent shows to the cloud.
SHADOWDOG_CLOUD_KEY=$(new)
# What callers show to the agent and the mock robot: whoever has it can move the dog.
SHADOWDOG_PAIRING_TOKEN=$(new)
# Grafana's user "admin".
SHADOWDOG_GRAFANA_PASSWORD=$(new)
END
mv "$scratch" "$file"
echo "$file written; the pairing token in it is what the pages ask for"
