"""The command lines: each says in one line what is wrong with it, and takes no option whose value was left empty."""

import argparse
from typing import Any, NoReturn

from tools import plain


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {plain(message)}; --help says more\n")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:  # noqa: ANN401
        if action.option_strings and not all(value.strip() for value in arg_strings):
            self.error(f"{action.option_strings[-1]} is empty: give it a value, or leave it out")
        return super()._get_values(action, arg_strings)
