"""Picture files, channels and quality measures."""
