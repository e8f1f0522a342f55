"""Picture files, channels and figures of quality."""
