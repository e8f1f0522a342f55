"""Bytes to bits and back: sealing, layouts and codes."""
