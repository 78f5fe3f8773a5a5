"""What Schemathesis cannot know: strings that only a checksum or a catalogue tells from others."""

import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

schemathesis.openapi.format(
    "eip55-address",
    st.from_regex(r"\A0x[0-9a-f]{40}\Z").filter(lambda text: int(text, 16) > 0xFFFF),
)
schemathesis.openapi.format("sku", st.sampled_from(["fresh-250ml", "chocolate-250ml"]))
schemathesis.openapi.format(
    "public-https-url",
    st.from_regex(r"\Ahttps://[a-z]{3,9}\.example(:8443)?/[a-z0-9/]{0,20}\Z"),
)

OWN_ACCOUNT = os.environ.get("OWN_ACCOUNT")
NOBODY = "acc_" + "0" * 26


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext,  # noqa: ARG001 - the hook's form
    case: schemathesis.Case,
    kwargs: dict[str, Any],  # noqa: ARG001
) -> None:
    """Whoever disables the account that asks would be asked for credentials ever after."""
    if OWN_ACCOUNT and case.path_parameters.get("account_id") == OWN_ACCOUNT:
        case.path_parameters["account_id"] = NOBODY
