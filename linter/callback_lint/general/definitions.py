"""The files that a template names: the definitions of its state machines, the code of its functions."""

from collections.abc import Iterator

from callback_lint import sources
from callback_lint.code import code_folder
from callback_lint.documents import Problem
from callback_lint.rules import template_rule
from callback_lint.templates import STATE_MACHINES, Template, definition_file, exists, is_file


@template_rule("EC2001", sources.SAM_STATE_MACHINE)
def definitions_exist(template: Template) -> Iterator[Problem]:
    """`DefinitionUri` names no file. The deployment fails. Correct the path, which counts from the template."""
    for resource in template.of_type(*STATE_MACHINES).values():
        file = definition_file(resource)
        if file and not is_file(file):
            yield resource.says(f"DefinitionUri {resource.get('DefinitionUri')} is no file", "DefinitionUri")


@template_rule("EC2002", sources.SAM_STATE_MACHINE)
def substitutions_are_given(template: Template) -> Iterator[Problem]:
    """The definition uses `${Name}`, and `DefinitionSubstitutions` does not give it. The text stays as it is, and
    the first send to `${QueueUrl}` fails. Add it.
    """
    for name, machine in template.machine_of.items():
        for used, steps in machine.substitutions_used.items() if name not in template.places else ():
            if used not in machine.substitutions:
                yield machine.says(f"{name}: DefinitionSubstitutions lacks {used}, which the definition uses", *steps)


@template_rule("EC2024", sources.SAM_FUNCTION)
def code_of_functions_exists(template: Template) -> Iterator[Problem]:
    """`CodeUri` of a function in Python names no folder. The build fails. Correct the path, which counts from the
    template. Where a template comes without any code beside it, nothing is said.
    """
    code = [(function, found[0]) for function in template.functions.values() if (found := code_folder(function))]
    has_code = any(exists(folder) for _, folder in code) or any(template.folder.glob("*/*.py"))
    for function, folder in code if has_code else ():
        named = function.get("CodeUri") or function.get("Code")
        if isinstance(named, str) and not exists(folder) and folder.suffix not in {".zip", ".jar"}:
            where = "CodeUri" if function.get("CodeUri") is not None else "Code"
            yield function.says(f"{where} {function.get(where)} does not exist", where)
