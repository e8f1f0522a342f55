"""Detectors of hidden messages, and simple ways of hiding to compare with. They know no method."""
