"""Which errors may be logged or shown: apart from the entry, so that the tools need no Powertools."""


class PrintableError(Exception):
    """An error whose text we wrote ourselves, from nothing secret, so that it may be logged or shown to a caller."""
