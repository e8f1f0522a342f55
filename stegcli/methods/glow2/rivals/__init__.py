"""What glow2 is compared with. Nothing here is used to hide or reveal."""
