# What the official image's entry point does with these variables.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username "$POSTGRES_USER" --auth trust --encoding UTF8 >/dev/null
    echo "host all all all $POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"
    pg_ctl --wait --options "-c listen_addresses=''" start >/dev/null
    createdb --username "$POSTGRES_USER" --host /var/run/postgresql "$POSTGRES_DB" 2>/dev/null || true
    pg_ctl --wait --mode fast stop >/dev/null
fi
exec postgres -c listen_addresses='*'
