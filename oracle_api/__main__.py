"""The command line of the oracle."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from ledger.errors import RejectedError
from oracle_api.access.key_commands import keys
from oracle_api.accounts.commands import accounts
from oracle_api.attestations.commands import attestation_keys_app
from oracle_api.audit_log.commands import audit_log
from oracle_api.console import EXIT_USAGE, refused
from oracle_api.logs import configure_logs
from oracle_api.settings import Settings, read_settings
from oracle_api.wallets.commands import wallets

app = typer.Typer(
    name="billcoin-oracle",
    help="Answers whether a payment is valid, and tells tills when it is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(accounts, name="accounts")
app.add_typer(audit_log, name="audit-log")
app.add_typer(attestation_keys_app, name="attestation-keys")
app.add_typer(keys, name="keys")
app.add_typer(wallets, name="wallets")


@app.callback()
def oracle() -> None:
    """Answers whether a payment is valid, and tells tills when it is."""


@app.command()
def serve() -> None:
    """Serve the API, the event stream and the till until SIGTERM or Ctrl-C.

    It starts even while the database is away or empty, answers /readyz with the reason, and
    recovers by itself. Logs are JSON on stderr.

    \b
    Needed in the environment:
      DATABASE_URL                           postgresql://user:password@host:port/database
      BILLCOIN_CHAIN_ID                      the chain that the ledger follows
      BILLCOIN_TOKEN_ADDRESS                 BillCoin's contract
      BILLCOIN_VAULT_FACTORY_ADDRESS         the order vault factory
      BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS  what the factory's implementation() answers
      BILLCOIN_TREASURY_ADDRESS              where every order's payment ends up

    \b
    May be set (default):
      BILLCOIN_ORACLE_HOST (127.0.0.1), BILLCOIN_ORACLE_PORT (8400)
      BILLCOIN_ORACLE_NAMES ()               host names that browsers use for it, commas between;
                                             addresses and names without a dot always work
      BILLCOIN_TRUSTED_PROXIES ()            addresses or networks of proxies, commas between, whose
                                             X-Forwarded-For says who asks; else it is ignored
      BILLCOIN_RATE_MYR_PER_BILL (7.20)      ringgit for one BILL, locked into each order
      BILLCOIN_RATE_SOURCE (fixed)           `feed`: the newest all-milk price instead
      BILLCOIN_RATE_MAX_AGE_SECONDS (86400)  an older price is stale, and then counts what
      BILLCOIN_RATE_WHEN_STALE (last_good)   says: last_good, fixed, or refuse (no sales)
      BILLCOIN_STANDING_ORDERS_ADDRESS ()    collect for this contract, with the relayer's gas:
      BILLCOIN_COLLECT_MAX_ORDERS (256), BILLCOIN_COLLECT_DAILY_GAS_COIN (1)
                                             how many at a time, how much gas a day
      BILLCOIN_ORDER_TTL_SECONDS (900)       how long an order can be paid
      BILLCOIN_INCLUDED_LIMIT_MYR (50.00)    orders up to this are released at inclusion,
      BILLCOIN_SAFE_LIMIT_MYR (500.00)       up to this at `safe`, above at `finalized`
      BILLCOIN_PAYER_EXPOSURE_LIMIT_MYR (10000.00)
      BILLCOIN_STORE_EXPOSURE_LIMIT_MYR (100000.00)
                                             what one payer, and this store, may have released at
                                             inclusion and not final; beyond, orders wait for `safe`
      BILLCOIN_MAX_OBSERVATION_AGE_SECONDS (10), BILLCOIN_MAX_BLOCKS_BEHIND (5),
      BILLCOIN_MAX_TIP_AGE_SECONDS (60), BILLCOIN_NODES_REQUIRED (more than half)
                                             beyond these the oracle refuses to answer
      BILLCOIN_MAX_WAIT_SECONDS (30)         the longest `Prefer: wait` that is honoured
      BILLCOIN_USER_ATTEMPTS_PER_MINUTE (10), BILLCOIN_ANONYMOUS_ATTEMPTS_PER_MINUTE (30),
      BILLCOIN_TILL_ATTEMPTS_PER_MINUTE (600), BILLCOIN_PARTNER_ATTEMPTS_PER_MINUTE (6000),
      BILLCOIN_ACCOUNT_REQUESTS_PER_MINUTE (3000), BILLCOIN_ANONYMOUS_REQUESTS_PER_MINUTE (600)
                                             beyond these a caller is answered 429
      BILLCOIN_LIMITS_URL                    redis://...: where replicas count together
      BILLCOIN_USER_FAILURES_LIMIT (3), BILLCOIN_PARTNER_FAILURES_LIMIT (100)
                                             more failed validations in five minutes raise a flag
      BILLCOIN_SLACK_WEBHOOK_URL             where flags are told
      BILLCOIN_STORE_ID (cafeteria)
      BILLCOIN_STUDENT_HASH_KEY              64 hex digits under which student ids are kept; or
      BILLCOIN_STUDENT_HASH_KEY_FILE         the file that holds them. Without: no loyalty points
                                             (on loopback a key is made up, for development)
      BILLCOIN_CATALOGUE                     JSON: [{"sku", "name", "priceMyr"}, ...]
      BILLCOIN_WEBHOOK_KEYS_FILE ()          what encrypts webhooks' secrets: a name, a blank and 32
                                             bytes in base64 a line; unset: no webhooks
      BILLCOIN_WEBHOOK_ALLOW_PRIVATE (false) webhooks may lead to this machine and its network: for
                                             development only
      BILLCOIN_JOBS_METRICS_HOST (127.0.0.1), BILLCOIN_JOBS_METRICS_PORT (none)
                                             where `billcoin-oracle jobs` serves /metrics
      BILLCOIN_ACCESS (accounts)             `open` lets everybody do everything: for development,
                                             on a loopback address only
      BILLCOIN_OFFICE_NAME (the administrative office), BILLCOIN_OFFICE_CONTACT ()
                                             who makes accounts; named in every error about one
      BILLCOIN_TOKEN_KEYS_FILE ()            the keys that sign access tokens, see `keys new`;
                                             without it, on loopback only: a key for this run
      BILLCOIN_TOKEN_ISSUER (billcoin-oracle)  what access tokens name as their issuer
      BILLCOIN_WALLET_KEYS_FILE ()           what linked wallets' addresses are encrypted with, see
                                             `wallets new-key`; without it none can be linked
      BILLCOIN_API_KEY_KIND (test)           `test` or `live`: which API keys are made and taken
      BILLCOIN_ATTESTATION_VERIFIER_ADDRESS, BILLCOIN_ATTESTATION_KEYS_FILE,
      BILLCOIN_ATTESTATION_KEYS, BILLCOIN_ATTESTATION_KEYS_PASSWORD,
      BILLCOIN_ATTESTATION_TTL_SECONDS (300) sign verdicts that are a yes: the contract, the file
                                             (or the hex) of keys, and how long a signature holds
      BILLCOIN_LOG_LEVEL (INFO)              DEBUG, INFO, WARNING or ERROR

    \b
    To pay the gas of wallets that have none, set both (the key's file has mode 0600):
      BILLCOIN_RELAYER_NODE_URL, BILLCOIN_RELAYER_KEY_FILE
    and perhaps (`jobs` follows what was broadcast):
      BILLCOIN_RELAYER_MAX_FEE_GWEI (100)    offered per gas at the most
      BILLCOIN_RELAYER_DAILY_GAS_COIN (2)    spent in 24 hours at the most
      BILLCOIN_RELAYER_PAYER_DAILY_LIMIT (20)
                                             payments of one wallet in 24 hours
      BILLCOIN_RELAYER_MAX_OUTSTANDING (256) transactions that wait for a block at once
      BILLCOIN_RELAYER_MARGIN_SECONDS (15)   how long an authorisation must still be valid
      BILLCOIN_RELAYER_STUCK_BLOCKS (6)      blocks after which more is offered
      BILLCOIN_RELAYER_POLL_SECONDS (1)      pause between two looks at the chain
    """  # noqa: D301 - typer takes \b as "keep these lines"
    from oracle_api.application import create_oracle  # noqa: PLC0415 - commands start without it
    from oracle_api.server import serve as serve_oracle  # noqa: PLC0415 - as above

    settings = _settings()
    configure_logs(settings.log_level)
    with _wrong_settings_told():
        oracle = create_oracle(settings)
    sys.exit(serve_oracle(oracle, settings))


@app.command()
def jobs() -> None:
    """Do what nobody waits for, until SIGTERM or Ctrl-C: jobs, scheduled work, webhooks.

    Any number may run; they share the work. The settings are those of `serve`.
    """
    from oracle_api.jobs.commands import run_jobs  # noqa: PLC0415 - `serve` starts without it

    settings = _settings()
    configure_logs(settings.log_level)
    sys.exit(run_jobs(settings))


@app.command("jobs-status")
def jobs_status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show where the queue of jobs stands; exits with 0 when all is well."""
    from oracle_api.jobs.commands import tell_status  # noqa: PLC0415 - `serve` starts without it

    sys.exit(tell_status(_settings(), as_json=as_json))


def _settings() -> Settings:
    with _wrong_settings_told():
        return read_settings()


@contextlib.contextmanager
def _wrong_settings_told() -> Iterator[None]:
    """Say what is wrong with the settings, and end with status 2."""
    try:
        yield
    except RejectedError as error:
        raise refused(f"wrong settings\n{error}", status=EXIT_USAGE) from None


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
