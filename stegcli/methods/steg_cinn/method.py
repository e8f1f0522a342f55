"""The method."""

from __future__ import annotations

from typing import Any, ClassVar

from stegcli.method import Method
from stegcli.methods.steg_cinn.coarse import Coarse
from stegcli.methods.steg_cinn.nets import Fine


class StegCinn(Method):
    name: ClassVar[str] = "steg-cinn"
    carries = "bits"
    cover = "given"

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        if "fine" in config:
            self.fine = Fine(**config["fine"])
        if "coarse" in config:
            self.coarse = Coarse(**config["coarse"])


def build(**config: Any) -> StegCinn:
    return StegCinn(config)
