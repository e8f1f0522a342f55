"""How good a method is, measured from files."""
