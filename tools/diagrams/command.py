"""Writes the generated parts of the documents anew, the diagrams among them: `python -m tools diagrams`."""

from tools.generated import write


def main(_arguments: list[str] | None = None) -> int:
    for page in write():
        print(f"written anew: {page}")
    return 0
