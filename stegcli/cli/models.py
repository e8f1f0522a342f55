"""The methods that a command has loaded, and where they work."""

from __future__ import annotations

import threading
from typing import Protocol

from stegcli import api, weights
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Revealed
from stegcli.pictures.image import Picture
from stegcli.remote import Source


class Engine(Protocol):
    """Where pictures are hidden in and revealed from: `api` does it here, `cluster.Cluster` elsewhere."""

    def hide(self, request: Request, method: Method) -> api.Hidden: ...

    def reveal(self, stego: Picture, method: Method, asked: Asked) -> tuple[Revealed, ...]: ...


class Models:
    """Method and weights -> the loaded method. Each is loaded once for all files and threads."""

    def __init__(self, named: str | None, device: str):
        self._named = named
        self._device = weights.pick_device(device)
        self._lock = threading.Lock()
        self._loaded: dict[Source, Method] = {}

    def of_key(self, key: Key) -> Method:
        return self._load(key.method, weights.resolve(key.method, key.weights, self._named), key.weights)

    @property
    def named(self) -> str:
        """The weights that the user named, or "default"."""
        return self._named or "default"

    def of_method(self, name: str) -> Method:
        """Load a method without keys."""
        return self._load(name, self.named)

    def source(self, method: Method) -> Source:
        """A method that was loaded here -> what another process must load."""
        return next(source for source, held in self._loaded.items() if held is method)

    def _load(self, method: str, name: str, named: str | None = None) -> Method:
        with self._lock:
            held = next((m for s, m in self._loaded.items() if (s.method, s.weights) == (method, name)), None)
            if held is None:
                held = weights.load(method, name, self._device, named)
                self._loaded[Source(method, name, named, self._device)] = held
            return held
