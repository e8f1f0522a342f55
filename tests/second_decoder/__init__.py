"""A decoder written from docs/format.md alone: numpy and cryptography, nothing of the package."""
