"""bearerd: may this bearer token do this, here, now?"""

from __future__ import annotations

__version__ = "0.1.0"
