"""Short ways to hide and reveal bytes, for tests."""

from __future__ import annotations

from stegcli import api
from stegcli.api import Hidden
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Secret
from stegcli.pictures.image import Picture


def hide(
    data: bytes, cover: Picture | None, key: Key, method: Method, format: str = "PNG", **options: object
) -> Hidden:
    """options: the method's own, at `hide`."""
    request = Request((Secret(data),), (key,), cover, options=method.about.hide(**options))
    return api.hide(request, method)


def reveal(stego: Picture, key: Key, method: Method, token: object = None) -> bytes | None:
    (found,) = api.reveal(stego, method, Asked(key, token, method.about.reveal()))  # type: ignore[arg-type]
    return found.data


def room(method: Method, height: int, width: int) -> int:
    """Bytes that fit a cover of that size."""
    return method.room(height, width)  # type: ignore[attr-defined, no-any-return]
