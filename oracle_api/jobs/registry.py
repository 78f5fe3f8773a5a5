"""Everything that the jobs process does: a capability adds its line here."""

from typing import Final

from oracle_api.accounts.upkeep import forget_what_is_over
from oracle_api.alerts.slack import SLACK_ALERTS
from oracle_api.jobs.upkeep import forget_old_jobs
from oracle_api.jobs.work import Schedule, Service, Work
from oracle_api.relay.assembly import watch_relay
from oracle_api.standing_orders.assembly import collect_due
from oracle_api.webhooks.work import forget_old_webhooks, send_webhooks

WORK: Final = Work(
    handlers=(SLACK_ALERTS,),
    schedules=(
        Schedule("access.forget", "27 * * * *", forget_what_is_over),
        Schedule("jobs.forget", "17 * * * *", forget_old_jobs),
        Schedule("standing_orders.collect", "* * * * * */15", collect_due, timeout_seconds=120.0),
        Schedule("webhooks.forget", "37 * * * *", forget_old_webhooks),
    ),
    services=(
        Service("relay.watch", watch_relay),
        Service("webhooks", send_webhooks),
    ),
)
