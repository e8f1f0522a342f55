"""What lies under files: descriptors, drafts, locked folders, sets that appear together."""
