"""Notices when a training loss has exploded although every number is still finite.

A network that reads single grey levels can lose within minutes what it learnt in an hour, with no NaN to tell. What
tells is the loss: far above where it was, by the measure of its own noise, and for many steps. Nothing here asks for
its sign or scale, so losses below zero, those of flows, are watched alike.
"""

from __future__ import annotations

from dataclasses import dataclass

FALL, RISE = 0.02, 0.002
"""How fast level and spread follow the loss, per step. Down at once, so that early learning is soon behind; up slowly,
so that an explosion which takes a hundred steps does not raise its own measure, while a weight on a schedule may."""
FAR = 8.0  # spreads above the level
LEAST_SPREAD = 0.1  # of the level's size
BLIND = 100  # first steps, which only set the measure
PATIENCE = 50  # steps, each that is not far off taken from those that are: single bad batches are none of its business


@dataclass
class Guard:
    """level, spread: the loss's running mean and its mean distance from it, both rather low. high: steps far above.

    All that it knows are these numbers: a checkpoint holds them, and processes that are given the same losses agree.
    """

    level: float = 0.0
    spread: float = 0.0
    steps: int = 0
    high: int = 0

    @property
    def calm(self) -> bool:
        """Whether the state of the training is worth keeping."""
        return self.steps >= BLIND and self.high == 0

    def explodes(self, loss: float) -> bool:
        """The finite loss of the next step -> whether it is now time to go back. Then counting begins anew."""
        if self.steps >= BLIND:
            bound = self.level + FAR * max(self.spread, LEAST_SPREAD * abs(self.level))
            self.high = max(0, self.high + (1 if loss > bound else -1))
            # What is far off moves the measure only a little. But it does: no level is refused for ever.
            loss = min(loss, bound)
        self.spread = self._follow(self.spread, abs(loss - self.level) if self.steps else 0.0)
        self.level = self._follow(self.level, loss)
        self.steps += 1
        if self.high < PATIENCE:
            return False
        self.high = 0
        return True

    def _follow(self, value: float, seen: float) -> float:
        """A running mean; over the first steps the plain one."""
        share = max(FALL if seen < value else RISE, 1 / (self.steps + 1))
        return value + share * (seen - value)
