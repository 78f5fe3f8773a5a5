"""The command line of the devnet: chain, wallet and demo."""

import typer

from devnet.background.commands import down, logs, reset, status, up
from devnet.chain_commands import deploy, faucet
from devnet.console import fail
from devnet.demo_commands import demo
from devnet.fault_commands import fault_app
from devnet.faulty_node_commands import faulty_node
from devnet.market_commands import market_app
from devnet.price_commands import price_app
from devnet.sandbox_commands import sandbox
from devnet.sensor_commands import sensor
from devnet.standing_order_commands import standing_order_app
from devnet.wallet_commands import wallet_app
from devnet.wallet_send import send
from ledger.errors import LedgerError

app = typer.Typer(
    help="A local BillCoin chain to develop on: contracts, faucet, reference wallet, demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(wallet_app, name="wallet")
wallet_app.command("send")(send)
app.add_typer(fault_app, name="fault")
app.add_typer(market_app, name="market")
app.add_typer(price_app, name="price")
app.add_typer(standing_order_app, name="standing-order")
for command in (up, down, status, logs, reset):
    app.command()(command)
app.command()(demo)
app.command()(deploy)
app.command()(faucet)
app.command()(faulty_node)
app.command()(sandbox)
app.command()(sensor)


def main() -> None:
    """Run the command line; an expected error is one line on standard error, not a trace."""
    try:
        app()
    except LedgerError as error:
        fail(error)


if __name__ == "__main__":
    main()
