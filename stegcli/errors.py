"""All errors that a user can meet, each with its exit status.

    StegoError               1  a bug: none of the others
    ├── UsageError           2  wrong options, or options that contradict each other
    ├── FileError            3  unreadable, unsupported, damaged or unwritable file
    ├── RevealError          4  nothing revealed; never says why, so that an attacker learns nothing
    ├── CapacityError        5  the secret does not fit; carries capacity and need in bytes
    └── WeightsError         6  weights missing, corrupt, or unfit for this version

A message says what is wrong, in lower case and without a full stop. A hint says how to mend it.
"""

from __future__ import annotations

from typing import Any


class StegoError(Exception):
    """Base class of all errors with a message for the user."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, also where a subclass takes other arguments than the message: errors travel between processes."""
        return _again, (type(self), self.args, vars(self))


class UsageError(StegoError):
    exit_code = 2


class UnsafeNumberError(UsageError):
    """The cover of this message number might be drawn differently on another machine."""


class FileError(StegoError):
    exit_code = 3


class RevealError(StegoError):
    """Nothing revealed. The message is the same for a wrong key, a damaged stego and a picture without a secret."""

    exit_code = 4

    def __init__(self, hint: str | None = None) -> None:
        """hint: another possible cause; given only if the user has proved to hold the right key."""
        super().__init__(
            "nothing revealed",
            hint or "wrong key, not a stego, or a stego that was changed (saved as JPEG, resized, cropped)",
        )


class CapacityError(StegoError):
    exit_code = 5

    def __init__(self, capacity: int, need: int, hint: str | None = None, message: str | None = None):
        """message: replaces the default one where the cause is not the capacity alone."""
        super().__init__(message or f"does not fit: capacity {capacity} bytes, need {need} bytes", hint)
        self.capacity = capacity
        self.need = need


class WeightsError(StegoError):
    exit_code = 6


def _again(kind: type[StegoError], args: tuple[Any, ...], state: dict[str, Any]) -> StegoError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    return error
