"""Tricks: requests that try to get past a gateway and its bearerd, as data, and the judge of what came of them."""

from bearerd.tricks.corpus import GROUPS, TRICKS
from bearerd.tricks.judge import judge
from bearerd.tricks.model import Answer, Outcome, Target, Verdict
from bearerd.tricks.seen import Seen
from bearerd.tricks.trick import Trick

__all__ = ["GROUPS", "TRICKS", "Answer", "Outcome", "Seen", "Target", "Trick", "Verdict", "judge"]
