"""What CloudFormation makes of a template and its parameters: nothing is left to SAM, every condition is decided."""

from dataclasses import dataclass

from tests.template.project import Fields, Json, Template

_NO_VALUE = {"Ref": "AWS::NoValue"}


def deployed(template: Template, **parameters: str) -> Template:
    """The transformed template with the resources and properties that there are with these parameters.

    A parameter that is not given has its default.
    """
    body = template.transformed.body
    defaults = {name: parameter.get("Default", "") for name, parameter in body.get("Parameters", {}).items()}
    decisions = _Decisions(body.get("Conditions", {}), defaults | parameters)
    resources = {
        logical_id: decisions.applied_to(resource)
        for logical_id, resource in body["Resources"].items()
        if "Condition" not in resource or decisions.hold({"Condition": resource["Condition"]})
    }
    return Template(template.path, {**body, "Resources": resources})


@dataclass(frozen=True)
class _Decisions:
    conditions: Fields
    parameters: Fields

    def hold(self, condition: Json) -> bool:
        match condition:
            case {"Condition": str(name)}:
                return self.hold(self.conditions[name])
            case {"Fn::Equals": [left, right]}:
                return self._value(left) == self._value(right)
            case {"Fn::Not": [negated]}:
                return not self.hold(negated)
            case {"Fn::And": list(all_of)}:
                return all(map(self.hold, all_of))
            case {"Fn::Or": list(any_of)}:
                return any(map(self.hold, any_of))
        raise ValueError(f"not a condition: {condition}")

    def applied_to(self, value: Json) -> Json:
        match value:
            case {"Fn::If": [str(name), then, otherwise]}:
                return self.applied_to(then if self.hold({"Condition": name}) else otherwise)
            case dict():
                applied = {key: self.applied_to(child) for key, child in value.items()}
                return {key: child for key, child in applied.items() if child != _NO_VALUE}
            case list():
                return [child for child in map(self.applied_to, value) if child != _NO_VALUE]
        return value

    def _value(self, value: Json) -> str:
        match value:
            case {"Ref": str(name)} if name in self.parameters:
                return str(self.parameters[name])
        return str(value)
