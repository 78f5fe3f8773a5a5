"""An order's QR code."""

import io

import segno

BORDER_MODULES = 4
"""The quiet zone that ISO/IEC 18004 wants; a scanner finds nothing without it."""


def payment_qr_svg(payment_uri: str) -> bytes:
    """An SVG of the payment request, black on white whatever the page's colours are.

    Error correction M: a quarter more modules than L, but a scratched or glaring screen still
    scans; H would make each module too small for 30 cm.
    """
    return qr_svg(payment_uri, title="BillCoin payment request")


def qr_svg(text: str, *, title: str) -> bytes:
    """An SVG of any text, in the form of a payment request's."""
    buffer = io.BytesIO()
    segno.make_qr(text, error="m", boost_error=False).save(
        buffer,
        kind="svg",
        border=BORDER_MODULES,
        dark="#000",
        light="#fff",
        xmldecl=False,
        omitsize=True,
        title=title,
    )
    return buffer.getvalue()
