"""Makes endpoints, changes them and rotates their secrets."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.errors import RejectedError
from ledger.ids import sortable_id
from ledger.store.actor import Actor
from ledger.store.idempotency import IdempotencyKey
from ledger.store.pool import Connection
from ledger.store.webhooks import (
    Endpoint,
    change_endpoint,
    count_endpoints,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    expire_secrets,
    insert_endpoint,
    read_endpoint,
    read_secrets,
    wake,
)
from oracle_api.access.keyring import Keyring
from oracle_api.access.principal import Principal, Role
from oracle_api.idempotency import Claim, claim
from oracle_api.problems import CapabilityOffError
from oracle_api.times import Clock, to_datetime
from oracle_api.webhooks.requests import (
    ChangeWebhookRequest,
    NewWebhookRequest,
    RotateSecretRequest,
    read_event_types,
    webhook_not_found,
)
from oracle_api.webhooks.settings import WebhookSettings
from oracle_api.webhooks.signers import MadeSecret, Signer, add_secret, read_signers
from oracle_api.webhooks.signing import SECRET_BYTES, Secret, SecretKind
from oracle_api.webhooks.target import read_url

MAX_ENDPOINTS: Final = 10
"""Of one account."""

_ID_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and in which request."""

    principal: Principal
    request_id: str

    @property
    def sees_all(self) -> bool:
        """Whether every account's webhooks are theirs to look after."""
        return self.principal.has(Role.ADMIN)


class WebhookService:
    """The rules about webhooks; each works in the caller's transaction."""

    def __init__(
        self,
        settings: WebhookSettings,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random_bytes = random_bytes

    @property
    def keyring(self) -> Keyring:
        """What encrypts secrets.

        Raises:
            CapabilityOffError: `webhooks_off`; the operator has given no keys.
        """
        keyring = self._settings.webhook_keyring
        if keyring is None:
            raise CapabilityOffError("webhooks", "this oracle sends no webhooks")
        return keyring

    async def make(
        self,
        connection: Connection,
        caller: Caller,
        request: NewWebhookRequest,
        key: IdempotencyKey | None,
    ) -> MadeSecret:
        """Make an endpoint with its first secret, or find what the same request made before.

        Raises:
            RejectedError: `webhook_url_invalid`, `event_type_unknown`, `webhook_limit`, an
                `idempotency_key_...`, or `webhook_not_found` when it was deleted since.
        """
        _, now = self.keyring, self.now()
        url = read_url(request.url, allow_private=self._settings.webhook_allow_private)
        event_types = read_event_types(request.eventTypes)
        account_id = caller.principal.account_id
        claimed = await claim(connection, key, new_id=self.new_id("whe"), now=now)
        endpoint_id = claimed.id
        if claimed.is_replayed:
            endpoint = await self.find(connection, caller, endpoint_id)
            return await self._made(connection, endpoint, _first_secret(endpoint_id), claimed)
        if await count_endpoints(connection, account_id) >= MAX_ENDPOINTS:
            raise RejectedError(
                "webhook_limit", f"an account has at most {MAX_ENDPOINTS} webhooks", param=None
            )
        await insert_endpoint(
            connection,
            endpoint_id,
            account_id=account_id,
            url=url,
            event_types=event_types,
            description=request.description,
            now=now,
        )
        secret_id = _first_secret(endpoint_id)
        await self._add_secret(connection, secret_id, endpoint_id, request.signing)
        signing = str(request.signing)
        await self._note(
            connection, caller, "webhook.created", endpoint_id, url=url, signing=signing
        )
        endpoint = await _existing(connection, endpoint_id)
        return await self._made(connection, endpoint, secret_id, claimed)

    async def find(
        self, connection: Connection, caller: Caller, endpoint_id: str, *, to_change: bool = False
    ) -> Endpoint:
        """An endpoint of the caller's; somebody else's is as good as none.

        Raises:
            RejectedError: `webhook_not_found`.
        """
        endpoint = await read_endpoint(connection, endpoint_id, to_change=to_change)
        if endpoint is None or not (
            caller.sees_all or endpoint.account_id == caller.principal.account_id
        ):
            raise webhook_not_found()
        return endpoint

    async def signers(self, connection: Connection, endpoint_id: str) -> list[Signer]:
        """The secrets that are valid now, newest first."""
        return await read_signers(connection, self.keyring, endpoint_id, now=self.now())

    async def change(
        self,
        connection: Connection,
        caller: Caller,
        endpoint_id: str,
        request: ChangeWebhookRequest,
    ) -> Endpoint:
        """Change what the request names."""
        endpoint = await self.find(connection, caller, endpoint_id, to_change=True)
        given, now = request.model_fields_set, self.now()
        url, event_types = endpoint.url, list(endpoint.event_types)
        if request.url is not None:
            url = read_url(request.url, allow_private=self._settings.webhook_allow_private)
        if request.eventTypes is not None:
            event_types = read_event_types(request.eventTypes)
        description = request.description if "description" in given else endpoint.description
        await change_endpoint(
            connection, endpoint_id, url=url, event_types=event_types, description=description
        )
        if request.enabled is True:
            await enable_endpoint(connection, endpoint_id)
            await wake(connection)
        elif request.enabled is False:
            await disable_endpoint(connection, endpoint_id, reason="by_owner", now=now)
        await self._note(
            connection, caller, "webhook.changed", endpoint_id, url=url, enabled=request.enabled
        )
        return await _existing(connection, endpoint_id)

    async def delete(self, connection: Connection, caller: Caller, endpoint_id: str) -> None:
        """Delete an endpoint, its secrets and the log of its deliveries."""
        endpoint = await self.find(connection, caller, endpoint_id, to_change=True)
        await delete_endpoint(connection, endpoint_id)
        await self._note(connection, caller, "webhook.deleted", endpoint_id, url=endpoint.url)

    async def rotate(
        self,
        connection: Connection,
        caller: Caller,
        endpoint_id: str,
        request: RotateSecretRequest,
        key: IdempotencyKey | None,
    ) -> MadeSecret:
        """Sign with a new secret, and for some hours with the old one as well.

        Raises:
            RejectedError: `webhook_not_found` or an `idempotency_key_...`.
        """
        _, now = self.keyring, self.now()
        endpoint = await self.find(connection, caller, endpoint_id, to_change=True)
        claimed = await claim(connection, key, new_id=self.new_id("whs"), now=now)
        if claimed.is_replayed:
            return await self._made(connection, endpoint, claimed.id, claimed)
        before = await read_secrets(connection, endpoint_id, now=now)
        kind = request.signing or SecretKind(before[0].kind)
        await expire_secrets(
            connection, endpoint_id, at=now + timedelta(hours=request.overlapHours), now=now
        )
        await self._add_secret(connection, claimed.id, endpoint_id, kind)
        await self._note(
            connection,
            caller,
            "webhook.secret_rotated",
            endpoint_id,
            signing=str(kind),
            overlapHours=request.overlapHours,
        )
        return await self._made(connection, endpoint, claimed.id, claimed)

    async def find_enabled(
        self, connection: Connection, caller: Caller, endpoint_id: str
    ) -> Endpoint:
        """An endpoint of the caller's to which something may be sent; locked.

        Raises:
            RejectedError: `webhook_not_found` or `webhook_disabled`.
        """
        endpoint = await self.find(connection, caller, endpoint_id, to_change=True)
        if not endpoint.enabled:
            raise RejectedError(
                "webhook_disabled", "the webhook is disabled: enable it first", param="id"
            )
        return endpoint

    async def _add_secret(
        self, connection: Connection, secret_id: str, endpoint_id: str, kind: SecretKind
    ) -> None:
        secret = Secret(kind, self._random_bytes(SECRET_BYTES))
        await add_secret(
            connection,
            self.keyring,
            secret,
            secret_id=secret_id,
            endpoint_id=endpoint_id,
            now=self.now(),
        )

    async def _made(
        self, connection: Connection, endpoint: Endpoint, secret_id: str, claimed: Claim
    ) -> MadeSecret:
        signers = await self.signers(connection, endpoint.id)
        shown = next((one for one in signers if one.row.id == secret_id), None)
        return MadeSecret(endpoint, signers, shown, claimed.is_replayed)

    async def _note(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        endpoint_id: str,
        **details: Any,
    ) -> None:
        actor = Actor(caller.principal.account_id, caller.request_id)
        await actor.note(connection, action, endpoint_id, details, now=self.now())

    def now(self) -> datetime:
        """This moment."""
        return to_datetime(self._clock())

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has."""
        return sortable_id(
            prefix,
            unix_milliseconds=int(self._clock() * 1000),
            randomness=self._random_bytes(_ID_BYTES),
        )


def _first_secret(endpoint_id: str) -> str:
    """The id of the secret that an endpoint was made with, by which a repeated request finds it."""
    return f"whs_{endpoint_id.removeprefix('whe_')}"


async def _existing(connection: Connection, endpoint_id: str) -> Endpoint:
    endpoint = await read_endpoint(connection, endpoint_id)
    if endpoint is None:
        raise webhook_not_found()
    return endpoint
