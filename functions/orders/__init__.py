"""Orders that a person confirms: what they are, where they are kept, and the page that shows one."""
