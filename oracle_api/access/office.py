"""The office that makes accounts: every error about an account sends people there (US-009)."""

from dataclasses import dataclass
from typing import Any, Final

from oracle_api.access.settings import AccessSettings
from oracle_api.problems import DeniedError, SignInBusyError, ThrottledError

ACCOUNT_CODES: Final = frozenset(
    {
        "account_name_invalid",
        "account_name_taken",
        "account_not_found",
        "api_key_invalid",
        "api_key_not_found",
        "credentials_missing",
        "credentials_wrong",
        "last_admin",
        "password_unfit",
        "refresh_token_invalid",
        "role_missing",
        "scope_missing",
        "sign_in_busy",
        "sign_in_too_often",
        "store_invalid",
        "store_needed",
        "token_expired",
        "token_invalid",
        "too_many_api_keys",
        "too_many_wallets",
        "wallet_linked_elsewhere",
        "wallet_not_found",
    }
)
"""Every code about an account, a sign-in, a credential or a linked wallet: made by Office alone,
so that each names it. A wallet's wrong signature shares its code with payments, and does so too."""

_CHALLENGE: Final = b'Bearer realm="billcoin"'
_INVALID: Final = b'Bearer realm="billcoin", error="invalid_token"'
_INSUFFICIENT: Final = b'Bearer realm="billcoin", error="insufficient_scope"'


@dataclass(frozen=True, slots=True)
class Office:
    """Who to turn to, by name and by whatever reaches them."""

    name: str
    contact: str | None

    @property
    def document(self) -> dict[str, Any]:
        """As problem documents hold it."""
        return {"name": self.name, "contact": self.contact}

    @property
    def words(self) -> str:
        """As a sentence can end."""
        return f"{self.name} ({self.contact})" if self.contact else self.name

    def missing(self) -> DeniedError:
        """No credentials, where some are needed."""
        message = f"sign in, or send an API key; accounts are made by {self.words}"
        return DeniedError(
            "credentials_missing", message, contact=self.document, challenge=_CHALLENGE
        )

    def invalid(self, code: str, message: str) -> DeniedError:
        """Credentials that are not, or no longer, good."""
        return self._denied(code, message, challenge=_INVALID)

    def wrong(self) -> DeniedError:
        """A sign-in that failed: the same words whether name, password or account is at fault."""
        message = "name or password is wrong, or the account is disabled"
        return self._denied("credentials_wrong", message, challenge=_CHALLENGE)

    def forbidden(self, code: str, message: str) -> DeniedError:
        """Good credentials that may not do this."""
        return self._denied(code, message, challenge=_INSUFFICIENT)

    def refused(self, code: str, message: str, *, param: str | None = None) -> DeniedError:
        """An account, or something of one, that is not there or cannot be so."""
        return self._denied(code, message, param=param)

    def busy(self) -> SignInBusyError:
        """More sign-ins at once than are looked at."""
        message = f"too many sign in at once; try again, or ask {self.words}"
        return SignInBusyError("sign_in_busy", message, contact=self.document)

    def too_often(self, retry_after_seconds: int) -> ThrottledError:
        """So many failed sign-ins that the next has to wait."""
        return ThrottledError(
            "sign_in_too_often",
            f"too many failed sign-ins: wait {retry_after_seconds} seconds, or ask {self.words}",
            contact=self.document,
            retry_after_seconds=retry_after_seconds,
        )

    def _denied(
        self, code: str, message: str, *, challenge: bytes = b"", param: str | None = None
    ) -> DeniedError:
        text = f"{message}; ask {self.words}"
        return DeniedError(code, text, contact=self.document, challenge=challenge, param=param)


def office_of(settings: AccessSettings) -> Office:
    """The office that the settings name."""
    return Office(settings.office_name, settings.office_contact)
