"""Every rule there is."""

from importlib import import_module
from pkgutil import iter_modules

from callback_lint import general
from callback_lint.rules import REGISTERED

for _module in iter_modules(general.__path__, f"{general.__name__}."):
    import_module(_module.name)

RULES = dict(sorted(REGISTERED.items()))
