"""Building blocks that two methods or more use. Imports torch alone."""
