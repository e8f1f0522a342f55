"""Detects that a training loss has exploded although every number is still finite.

A network that reads single grey levels can lose within minutes what it learnt in an hour, without any NaN. The sign is
a loss that stays far above its earlier level for many steps, measured in units of its own noise. The test does not
depend on the sign or scale of the loss, so it also works for the negative losses of flows.
"""

from __future__ import annotations

from dataclasses import dataclass

FALL, RISE = 0.02, 0.002
"""How fast level and spread follow the loss, per step. They fall fast, to keep up with early learning. They rise
slowly: an explosion over a hundred steps must not raise its own threshold, but a scheduled weight of the loss may."""
FAR = 8.0  # spreads above the level
LEAST_SPREAD = 0.1  # of the level's size
BLIND = 100  # first steps, which only set level and spread
PATIENCE = 50  # steps far above the level, less the steps that are not: single bad batches must not count


@dataclass
class Guard:
    """level, spread: running mean of the loss and its mean distance from that, both biased low. high: steps far above.

    These numbers are the whole state: a checkpoint holds them, and processes that see the same losses agree.
    """

    level: float = 0.0
    spread: float = 0.0
    steps: int = 0
    high: int = 0

    @property
    def calm(self) -> bool:
        """Whether no explosion is under way, so that the state of the training may be saved."""
        return self.steps >= BLIND and self.high == 0

    def explodes(self, loss: float) -> bool:
        """The finite loss of the next step -> whether to go back to the last checkpoint. Then counting starts again."""
        if self.steps >= BLIND:
            bound = self.level + FAR * max(self.spread, LEAST_SPREAD * abs(self.level))
            self.high = max(0, self.high + (1 if loss > bound else -1))
            # A loss far above moves the level only a little, but it does move it: in time any level is accepted.
            loss = min(loss, bound)
        self.spread = self._follow(self.spread, abs(loss - self.level) if self.steps else 0.0)
        self.level = self._follow(self.level, loss)
        self.steps += 1
        if self.high < PATIENCE:
            return False
        self.high = 0
        return True

    def _follow(self, value: float, seen: float) -> float:
        """A running mean, which over the first steps is the plain mean."""
        share = max(FALL if seen < value else RISE, 1 / (self.steps + 1))
        return value + share * (seen - value)
