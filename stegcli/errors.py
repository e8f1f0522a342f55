"""Every failure a user can meet, and the exit status it ends with.

    StegoError               1  a bug: none of the others
    ├── UsageError           2  wrong options, or options that contradict each other
    ├── FileError            3  unreadable, unsupported, damaged or unwritable file
    ├── RevealError          4  nothing revealed; never says why, so that it tells an attacker nothing
    ├── CapacityError        5  does not fit; carries capacity and need in bytes
    └── WeightsError         6  weights missing, corrupt, or unfit for this version

A message says what happened, in lower case and without a full stop. A hint says what to do about it.
"""


class StegoError(Exception):
    """Base of all errors with a message for the user."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.hint = hint


class UsageError(StegoError):
    exit_code = 2


class FileError(StegoError):
    exit_code = 3


class RevealError(StegoError):
    """A wrong key, a damaged stego and an innocent picture are told apart by nobody."""

    exit_code = 4

    def __init__(self, hint: str | None = None) -> None:
        """hint: what else may be wrong; only for whoever has shown to hold the right key."""
        super().__init__(
            "nothing revealed",
            hint or "wrong key, not a stego, or changed on its way (re-saved as JPEG, resized, cropped)",
        )


class CapacityError(StegoError):
    exit_code = 5

    def __init__(self, capacity: int, need: int, hint: str | None = None, message: str | None = None):
        """message: if it is not the capacity alone that stands in the way."""
        super().__init__(message or f"does not fit: capacity {capacity} bytes, need {need} bytes", hint)
        self.capacity = capacity
        self.need = need


class WeightsError(StegoError):
    exit_code = 6
