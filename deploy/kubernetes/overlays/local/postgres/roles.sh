#!/bin/sh
# Runs in the Job `roles`: PGHOST, PGUSER and PGDATABASE say where.
set -eu
secrets=/etc/secrets
PGPASSWORD=$(cat $secrets/password)
export PGPASSWORD

until pg_isready --quiet; do
    sleep 1
done
{
    cat "$(dirname "$0")/server.sql" "$(dirname "$0")/service-role.sql"
    for file in $secrets/services/*; do
        service=$(basename "$file")
        url=$(cat "$file")
        password=${url#*://"$service":}
        password=${password%%@*}
        echo "SELECT pg_temp.create_service_role('$service', '$service', '$password');"
    done
} | psql --no-psqlrc --quiet --output /dev/null --set ON_ERROR_STOP=1
