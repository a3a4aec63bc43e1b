"""The heads that the lane answers itself: which bytes are one, and where in it everything stands."""

from typing import Literal, final

KNOWN_NAMES: tuple[str, ...]

@final
class Whole:
    """A head that was recognised."""

    @property
    def face(self) -> Literal["auth", "ext_authz"]: ...
    @property
    def method(self) -> bytes: ...
    @property
    def target(self) -> bytes: ...
    @property
    def name(self) -> bytes:
        """The resource's."""

    @property
    def rest(self) -> bytes:
        """What follows NAME in the target."""

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """Names as received, values without the white space around them."""

    @property
    def known(self) -> dict[str, int]:
        """Which of ``KNOWN_NAMES`` are there, and where in ``fields`` the first of each is."""

    @property
    def twice(self) -> frozenset[str]:
        """Which of ``KNOWN_NAMES`` are there more than once."""

    @property
    def close(self) -> bool:
        """The client asks for no further answer on this connection."""

    @property
    def is_head(self) -> bool:
        """The method is HEAD: the answer has no body."""

    @property
    def size(self) -> int:
        """Bytes of the head, its last CR LF included; what follows is the next request."""

def read(
    data: bytes,
    searched: int = 0,
    *,
    max_header_bytes: int = ...,
    max_head_bytes: int = ...,
    max_headers: int = ...,
) -> Whole | int | None:
    """The first head in ``data``: whole, None where it is not ours, or, where more is needed, what to pass as ``searched``
    with these bytes and more."""

__pyx_capi__: dict[str, object]  # the C entry points of head.pxd
