"""How this project writes its templates and state machines, beyond what the linter finds in anybody's."""
