"""A task token and a card number that look like real ones, and the search for any piece of them."""

import base64
import hashlib
import re
from functools import cache

PIECE = 12  # characters of a token, or digits of a card number, that are a leak

# 712 characters, about as long as one of AWS's; not random, so that a failure can be repeated
TOKEN = base64.b64encode(b"".join(hashlib.sha512(bytes([number])).digest() for number in range(9)))[:712].decode()
CARD = "4929118273645018"
CARD_WITH_SPACES = "4929 1182 7364 5018"
CARD_WITH_DASHES = "4929-1182-7364-5018"


def leaks(text: str, *secrets: str) -> list[str]:
    """The pieces of TOKEN, CARD and further secrets in a text; a space or a dash between digits hides none."""
    digits = re.sub(r"(?<=\d)[ -](?=\d)", "", text)
    found = {piece for secret in (TOKEN, *secrets) for piece in pieces(secret) if piece in text}
    found |= {piece for piece in pieces(CARD) if piece in digits}
    return sorted(found)


@cache
def pieces(secret: str) -> tuple[str, ...]:
    return tuple(secret[start : start + PIECE] for start in range(len(secret) - PIECE + 1))
