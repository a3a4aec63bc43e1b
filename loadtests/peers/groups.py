"""The headings of the report."""

from typing import Final

FIXED: Final = "Nothing decided: a fixed answer"
KNOWN: Final = "The same good token again and again"
NEW: Final = "A token that has not been seen, or is no good"
CHAINS: Final = "Whole chains: nginx, the check, an upstream that returns 204"
ENVOY_CHAINS: Final = "Whole chains: Envoy, the check, the same upstream"
