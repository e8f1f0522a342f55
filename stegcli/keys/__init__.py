"""Keys and the randomness that sender and receiver share."""
