"""Orders that a person confirms or cancels: what they are, where they are kept, and the page that asks."""
