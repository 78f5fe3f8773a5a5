"""The office that makes accounts: every error about an account sends people there (US-009)."""

from dataclasses import dataclass
from typing import Any, Final

from oracle_api.access.settings import AccessSettings
from oracle_api.problems import DeniedError, ThrottledError

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
        return DeniedError(code, message, contact=self.document, challenge=_INVALID)

    def wrong(self) -> DeniedError:
        """A sign-in that failed: the same words whether name, password or account is at fault."""
        message = f"name or password is wrong, or the account is disabled; ask {self.words}"
        return DeniedError(
            "credentials_wrong", message, contact=self.document, challenge=_CHALLENGE
        )

    def forbidden(self, code: str, message: str) -> DeniedError:
        """Good credentials that may not do this."""
        text = f"{message}; ask {self.words}"
        return DeniedError(code, text, contact=self.document, challenge=_INSUFFICIENT)

    def unknown(self, code: str, message: str) -> DeniedError:
        """An account, or something of one, that is not there."""
        return DeniedError(code, f"{message}; ask {self.words}", contact=self.document)

    def too_often(self, retry_after_seconds: int) -> ThrottledError:
        """So many failed sign-ins that the next has to wait."""
        return ThrottledError(
            "sign_in_too_often",
            f"too many failed sign-ins: wait {retry_after_seconds} seconds, or ask {self.words}",
            contact=self.document,
            retry_after_seconds=retry_after_seconds,
        )


def office_of(settings: AccessSettings) -> Office:
    """The office that the settings name."""
    return Office(settings.office_name, settings.office_contact)
