"""What fits on which hardware."""
