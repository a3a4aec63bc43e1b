"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import settings

# No deadline: how long an example takes is no claim of a test, and a busy machine is no failure.
settings.register_profile("bearerd", deadline=None)
settings.load_profile("bearerd")
