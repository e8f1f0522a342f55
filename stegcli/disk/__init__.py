"""Helpers for `files`: descriptors, drafts, locks on folders, and sets of files that are written together."""
