"""The one path normaliser (contracts, section 2, Paths)."""

def normalise(target: bytes) -> bytes | None:
    """The path of an origin-form target: cut at the first raw ``?``, escapes decoded once, valid UTF-8.

    None where it is ambiguous: dot segments, ``//``, a backslash, ``;``, ``#``, a control, a space, an encoded one of
    ``/ \\ . ; % ? #`` or of a control, a bad percent, not UTF-8, not beginning with ``/``.  Controls are U+0000 to
    U+001F and U+007F to U+009F.
    """

def query_has_access_token(target: bytes) -> bool:
    """Whether a query parameter is named ``access_token`` (case-sensitive, its name percent-decoded once)."""

def resource_name(target: bytes, prefix: bytes) -> bytes | None:
    """NAME of ``prefix NAME``, ``prefix NAME/…`` or ``prefix NAME?…`` in an origin-form target, matched on raw bytes.

    None unless NAME matches ``[a-z0-9][a-z0-9_-]{0,62}`` exactly (lane and aiohttp share this function).
    """

__pyx_capi__: dict[str, object]  # the C entry points of path.pxd
