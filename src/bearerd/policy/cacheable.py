"""For how long a gateway may keep an allow and give it again unasked (``cacheable_for``; contracts, section 3).

Only what ``Decision.reuse`` says may be given again at all, and only for somebody's token: what an open rule allows may
depend on fields that are in no cache's key, and costs next to nothing.  What is said is never too much: whole seconds,
rounded down, within which neither the token, its keys nor the view of the revocations comes to its end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bearerd.decision import Now, Reuse
    from bearerd.policy.resource import Resource


def told(reuse: Reuse, resource: Resource, expires_at: float, now: Now) -> Reuse:
    """The reuse of an allow with the seconds for which a gateway may keep it; the same where it may not.

    An answer that says N seconds is prepared until N seconds before the end, so that it is true whenever it is given.
    """
    if not resource.cacheable_for:
        return reuse
    until_wall = min(reuse.until_wall, expires_at)  # without the leeway
    until_boot = min(reuse.until_boot, now.boot + (expires_at - now.latest))
    left = min(float(resource.cacheable_for), until_wall - now.latest, until_boot - now.boot)
    if not left >= 1:  # also true for what is not a number
        return reuse
    seconds = math.floor(left)
    return reuse._replace(until_wall=until_wall - seconds, until_boot=until_boot - seconds, cacheable=seconds)
