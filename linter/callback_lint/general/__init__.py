"""Rules that hold for every callback workflow."""
