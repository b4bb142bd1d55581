"""Every rule of the project, by the id that cfn-lint shows."""

from tests.template import (
    alarm_rules,
    asl_rules,
    dead_letter_rules,
    encryption_rules,
    key_grant_rules,
    permission_rules,
    template_rules,
)

STATE_MACHINE_RULES = asl_rules.RULES
TEMPLATE_RULES = {
    **template_rules.RULES,
    **permission_rules.RULES,
    **encryption_rules.RULES,
    **key_grant_rules.RULES,
    **dead_letter_rules.RULES,
    **alarm_rules.RULES,
}
