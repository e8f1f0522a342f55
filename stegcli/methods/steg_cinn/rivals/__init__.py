"""The paper's own flow, to compare with. Nothing here hides or reveals a file."""
