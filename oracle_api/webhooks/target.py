"""Which URLs an endpoint may have, before any name is looked up."""

import re
from typing import Final

from ledger.errors import RejectedError
from oracle_api.webhooks.addresses import is_public

MAX_URL_CHARACTERS: Final = 2048
PUBLIC_PORTS: Final = frozenset({443, 8443})
"""HTTPS and its usual second; nobody shall make us knock at databases or mail servers."""

# So plain that no two parsers read it differently; names in other scripts come as punycode.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<v6>[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?"
    r"(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?",
    re.ASCII,
)
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*", re.ASCII)


def read_url(text: str, *, allow_private: bool) -> str:
    """An endpoint's URL: `https`, a public name, a usual port; no credentials and no fragment.

    `allow_private` lets `http`, every port and every host in: for development only.

    Raises:
        RejectedError: `webhook_url_invalid`.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise _wrong(f"it may have at most {MAX_URL_CHARACTERS} characters")
    found = _URL.fullmatch(text)
    if found is None:
        raise _wrong(
            "it must be https://name/path in plain ASCII: no user, no fragment, no blank, other "
            "characters percent-encoded, names in punycode"
        )
    scheme, host = found["scheme"], (found["v6"] or found["host"]).lower()
    port = int(found["port"] or (443 if scheme == "https" else 80))
    if port > 65_535:  # noqa: PLR2004 - where ports end
        raise _wrong("there is no such port")
    if not allow_private:
        _check_public(scheme, host, port)
    return text


def _check_public(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise _wrong("it must be https")
    if port not in PUBLIC_PORTS:
        raise _wrong(f"the port must be one of {', '.join(map(str, sorted(PUBLIC_PORTS)))}")
    if ":" in host or _NUMBERS.fullmatch(host):
        # All the ways of writing an address that resolvers know: 2130706433, 0x7f.1, 127.1.
        if not is_public(host):
            raise _wrong("it must not name an address of a private network")
    elif "." not in host or host.endswith(".localhost"):
        raise _wrong("the host must be a name on the internet")


def _wrong(why: str) -> RejectedError:
    return RejectedError("webhook_url_invalid", why, param="url")
