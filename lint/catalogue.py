"""Every rule there is."""

from importlib import import_module
from pkgutil import iter_modules

from lint import general, house
from lint.rules import RULES

for _package in (general, house):
    for _module in iter_modules(_package.__path__, f"{_package.__name__}."):
        import_module(_module.name)

GENERAL_RULES = {rule_id: rule for rule_id, rule in sorted(RULES.items()) if not rule.is_house_rule}
ALL_RULES = dict(sorted(RULES.items()))
