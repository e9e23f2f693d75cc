# Stands in for the official images of PostgreSQL and Redis, with the users, paths and variables that compose.yaml uses.
FROM tidegate-stand-in:slim AS postgres
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --no-create-home postgres && \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends postgresql-15 >/dev/null && \
    rm -rf /var/lib/apt/lists/* /var/lib/postgresql && \
    install -d -o 999 -g 999 -m 0700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
COPY postgres.sh /usr/bin/postgres.sh
STOPSIGNAL SIGINT
CMD ["sh", "/usr/bin/postgres.sh"]

FROM tidegate-stand-in:slim AS redis
RUN groupadd --gid 999 redis && useradd --uid 999 --gid 999 --no-create-home redis && \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends redis-server >/dev/null && \
    rm -rf /var/lib/apt/lists/* && install -d -o 999 -g 999 /data
WORKDIR /data
