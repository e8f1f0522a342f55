"""The CNN of `stego evaluate --detect`: taught from an easy scheme to the hard ones, its state kept between runs.

Started at a low payload a network may learn nothing, and a scheme would seem safe that is not. So it first learns LSB
matching at 1 bit per pixel (nsF5 at 0.4 bits per coefficient for JPEGs), and then each scheme from high rates to low.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stegcli.errors import CapacityError
from stegcli.measuring import views
from stegcli.measuring.store import Store, digest

FIRST_EPOCHS = 3
EASY_BPP, EASY_RATE = 1.0, 0.4
Sides = tuple[Sequence[bytes], Sequence[bytes]]
"""Files of innocent pictures and of stegos, pair by pair."""
Scores = tuple[np.ndarray, np.ndarray]


@dataclass
class Learner:
    """epochs: for each scheme and rate; 0 for no network. tick: called with the share of an epoch's work that is done.

    networks: by scheme and what its stegos are compared with, as taught so far; with a name for what they learnt.
    """

    epochs: int
    seed: int
    store: Store
    tick: Callable[[float], None]
    networks: dict[tuple[str, str], tuple[Any, str]] = field(default_factory=dict)

    def scores(self, scheme: str, against: str, learn: Sides, test: Sides) -> Scores:
        """Teach the scheme's network on, and judge other pictures: scores above 0 for what it takes for a stego."""
        network, past = self.networks.get((scheme, against)) or self._begun(against, learn)
        network, past, found = self._taught(network, past, learn, test)
        self.networks[scheme, against] = network, past
        return found

    def _begun(self, against: str, learn: Sides) -> tuple[Any, str]:
        """A network after the easy scheme, on the innocent pictures that are learnt from."""
        if ("", against) not in self.networks:
            network, name = _built(learn[0][0], self.seed), digest("cnn-first-1", self.seed, digest(*learn[0]))
            kept = self.store.arrays(name)
            if kept is not None:
                _put(network, kept)
                self.tick(FIRST_EPOCHS)
            else:
                rng = np.random.default_rng(self.seed)
                _teach(network, self._easy(learn[0]), FIRST_EPOCHS, rng, lambda: self.tick(1))
                self.store.keep(name, _state(network))
            self.networks["", against] = network, name
        network, name = self.networks["", against]
        return copy.deepcopy(network), name

    def _easy(self, innocent: Sequence[bytes]) -> Sides:
        """Pairs of the easy scheme, in those of the pictures that it fits."""
        pairs = []
        for position, file in enumerate(innocent):
            with contextlib.suppress(CapacityError):
                pairs.append((file, _easy(file, np.random.default_rng([self.seed, position]))))
        return [one for one, _ in pairs], [other for _, other in pairs]

    def _taught(self, network: Any, past: str, learn: Sides, test: Sides) -> tuple[Any, str, Scores]:
        """-> the network, a name for what it has learnt, and its scores."""
        name = digest("cnn-1", past, self.epochs, self.seed, *(digest(*side) for side in (*learn, *test)))
        kept = self.store.arrays(name)
        if kept is not None:
            _put(network, kept)
            self.tick(self.epochs)
            return network, name, (kept["innocent"], kept["stego"])
        rng = np.random.default_rng(self.seed)
        _teach(network, learn, self.epochs, rng, lambda: self.tick(1))
        innocent, stego = (_judged(network, side) for side in test)
        self.store.keep(name, _state(network) | {"innocent": innocent, "stego": stego})
        return network, name, (innocent, stego)


AT_ONCE = 32


def _built(file: bytes, seed: int) -> Any:
    import torch

    torch.manual_seed(seed)
    if views.is_jpeg(file):
        from stegcli.detectors.jpeg_network import Detector

        return Detector()
    from stegcli.detectors.network import Residuals

    return Residuals()


def _easy(file: bytes, rng: np.random.Generator) -> bytes:
    """Raises CapacityError."""
    from stegcli.measuring import groups
    from stegcli.pictures import image, jpeg

    if views.is_jpeg(file):
        return groups.hidden("nsF5", file, int(EASY_RATE * jpeg.read(file).nonzero_ac), rng).stego
    picture = image.decode(file)
    return groups.hidden("LSB matching", file, int(EASY_BPP * picture.width * picture.height), rng).stego


def _teach(network: Any, learn: Sides, epochs: int, rng: np.random.Generator, after_epoch: Callable[[], None]) -> None:
    import torch

    from stegcli.detectors import jpeg_network
    from stegcli.detectors import network as networks

    innocent, stego = (np.stack([views.plane(f) for f in side]) for side in learn)
    if isinstance(network, jpeg_network.Detector):
        jpeg_network.teach(network, innocent, stego, epochs, rng, after_epoch)
    else:
        both = torch.from_numpy(stego), torch.from_numpy(innocent)
        networks.learn_pairs(network, *both, epochs, rng, after_epoch=after_epoch)


def _judged(network: Any, files: Sequence[bytes]) -> np.ndarray:
    import torch

    from stegcli.detectors import jpeg_network
    from stegcli.detectors import network as networks

    found = [np.empty(0, np.float32)]
    for first in range(0, len(files), AT_ONCE):
        planes = np.stack([views.plane(f) for f in files[first : first + AT_ONCE]])
        if isinstance(network, jpeg_network.Detector):
            found.append(jpeg_network.log_odds(network, planes))
        else:
            found.append(networks.log_odds(network, torch.from_numpy(planes)))
    return np.concatenate(found)


def _state(network: Any) -> dict[str, np.ndarray]:
    return {f"of {n}": t.numpy() for n, t in network.state_dict().items()}


def _put(network: Any, kept: Mapping[str, np.ndarray]) -> None:
    import torch

    found = {n.removeprefix("of "): torch.from_numpy(np.array(a)) for n, a in kept.items() if n.startswith("of ")}
    network.load_state_dict(found, strict=True)
    network.eval()
