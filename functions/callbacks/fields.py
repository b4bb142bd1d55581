"""Fields that are not known: refused with the one that was perhaps meant."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

_MANY = 10  # unknown fields: no slip of the pen, and each takes time to compare


def unknown_field_problem(given: Iterable[str], known: Collection[str]) -> str | None:
    """What is wrong with the names of the fields, in words for whoever sent them; None if all are known.

    The text names fields that are known, and repeats none that was sent: it may be anything.
    """
    unknown = list(islice((name.lower() for name in given if name not in known), _MANY))
    if not unknown:
        return None
    named = {name.lower(): name for name in known}
    meant = sorted({named[match] for name in unknown for match in get_close_matches(name, named, n=1)})
    hint = f" (did you mean {' and '.join(meant)}?)" if meant else ""
    *others, last = sorted(known)
    return f"the only fields are {', '.join(others)} and {last}{hint}"
