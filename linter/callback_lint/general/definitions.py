"""The definitions of a template's state machines."""

from collections.abc import Iterator

from callback_lint.documents import Problem
from callback_lint.rules import template_rule
from callback_lint.templates import STATE_MACHINES, Template, definition_file, is_file


@template_rule("EC2001")
def definitions_exist(template: Template) -> Iterator[Problem]:
    for resource in template.of_type(*STATE_MACHINES).values():
        file = definition_file(resource)
        if file and not is_file(file):
            yield resource.says(f"DefinitionUri {resource.get('DefinitionUri')} is no file", "DefinitionUri")


@template_rule("EC2002")
def substitutions_are_given(template: Template) -> Iterator[Problem]:
    """What is not given stays as it is: a queue's URL is then the text `${QueueUrl}`."""
    for name, machine in template.machine_of.items():
        for used, steps in machine.substitutions_used.items():
            if used not in machine.substitutions:
                yield machine.says(f"{name}: DefinitionSubstitutions lacks {used}, which the definition uses", *steps)
