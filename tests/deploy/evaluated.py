"""A template of CloudFormation and a module of Terraform, each evaluated with given parameters, in one vocabulary.

What only a deployment knows is a mark: `<state.arn>` for an ARN, `<state>` for a name, `<account>`, `<region>`, `<partition>`.
"""
import os
import pathlib
import re
import tempfile

import tfparse
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

STACK = "freshlayer"
GONE = object()


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Template:
    def __init__(self, path):
        document = yaml_parse(path.read_text())
        self.parameters = document.get("Parameters", {})
        self.conditions = document.get("Conditions", {})
        self.outputs = document.get("Outputs", {})
        for resource in document["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = "s3://bucket/code.zip"
        if "Transform" in document:
            os.environ["AWS_DEFAULT_REGION"] = "eu-west-1"
            document = transform(document, {}, type("ManagedPolicies", (), {"load": lambda self: {}})())
        self.resources_written = document["Resources"]

    def resources(self, given):
        """Returns name, type and properties of each resource that there is with these parameters."""
        values = {name: given.get(name, entry.get("Default")) for name, entry in self.parameters.items()}
        for name, resource in self.resources_written.items():
            if "Condition" not in resource or self._holds(resource["Condition"], values):
                yield name, resource["Type"], self._value(resource.get("Properties", {}), values)

    def outputs_of(self, given):
        values = {name: given.get(name, entry.get("Default")) for name, entry in self.parameters.items()}
        return {name: self._value(output["Value"], values) for name, output in self.outputs.items()}

    def _holds(self, condition, values):
        return self._value(self.conditions[condition], values)

    def _named(self, name, values):
        marks = {"AWS::Partition": "<partition>", "AWS::Region": "<region>", "AWS::AccountId": "<account>"}
        marks |= {"AWS::StackName": STACK, "AWS::NoValue": GONE}
        return marks.get(name, values.get(name, f"<{snake(name)}>"))

    def _attribute(self, resource, attribute):
        return f"<{snake(resource)}.arn>" if attribute == "Arn" else f"<{snake(resource)}>"

    def _value(self, found, values):
        if isinstance(found, list):
            return [value for value in (self._value(item, values) for item in found) if value is not GONE]
        if not isinstance(found, dict):
            return found
        if len(found) == 1:
            [(function, argument)] = found.items()
            if function == "Ref":
                return self._named(argument, values)
            if function == "Fn::GetAtt":
                return self._attribute(*(argument.split(".") if isinstance(argument, str) else argument))
            if function == "Fn::Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda named: self._substituted(named[1], values), argument)
            if function == "Fn::If":
                return self._value(argument[1 if self._holds(argument[0], values) else 2], values)
            if function == "Fn::Equals":
                first, second = (str(self._value(item, values)) for item in argument)
                return first == second
            if function == "Fn::Not":
                return not self._value(argument[0], values)
            assert not function.startswith("Fn::"), f"{function} is not known here"
        inside = ((key, self._value(value, values)) for key, value in found.items())
        return {key: value for key, value in inside if value is not GONE}

    def _substituted(self, name, values):
        if "." in name and not name.startswith("AWS::"):
            return self._attribute(*name.split("."))
        return str(self._named(name, values))


REFERENCE = re.compile(r"(?<![\w.])(?P<data>data\.)?aws_\w+\.(?P<name>\w+)(?P<each>\[\*\])?(?:\[0\])?\.(?P<attribute>[a-z_]+)\b")
HERE = {"partition": '"<partition>"', "region": '"<region>"', "account_id": '"<account>"'}
NOT_RESOURCES = {"locals", "terraform", "variable", "output", "aws_partition", "aws_region", "aws_caller_identity"}
# What the parser puts beside the arguments, and what says how often and in which order.
ADDED = {"__tfmeta", "id", "count", "depends_on"}


def marked(found):
    if found["data"]:
        return HERE[found["attribute"]]
    mark = f'"<{found["name"]}.arn>"' if found["attribute"] == "arn" else f'"<{found["name"]}>"'
    return f"[{mark}]" if found["each"] else mark


class Module:
    def __init__(self, folder):
        self.texts = {path.name: self._marked(path.read_text()) for path in folder.glob("*.tf")}
        everything = self._parse({})
        self.variables = {entry["__tfmeta"]["label"]: entry for entry in everything["variable"]}

    def resources(self, given):
        """Returns type, name and arguments of each resource that there is with these variables."""
        for kind, entries in self._parse(given).items():
            for entry in entries if kind not in NOT_RESOURCES else []:
                yield kind, re.sub(r"\[\d+\]$", "", entry["__tfmeta"]["path"].split(".")[-1]), self._written(entry)

    def outputs_of(self, given):
        return {entry["__tfmeta"]["label"]: entry["value"] for entry in self._parse(given).get("output", [])}

    def _marked(self, text):
        # The parser puts an `id` of its own into every block.
        return re.sub(r"^( +)id( +=)", r"\1rule_id\2", REFERENCE.sub(marked, text), flags=re.MULTILINE)

    def _written(self, found):
        if isinstance(found, list):
            return [self._written(item) for item in found]
        if not isinstance(found, dict):
            return found
        return {key: self._written(value) for key, value in found.items() if key not in ADDED}

    def locals_of(self, given):
        return {key: value for entry in self._parse(given).get("locals", []) for key, value in self._written(entry).items()}

    def _parse(self, given):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            for name, text in self.texts.items():
                (folder / name).write_text(text)
            (folder / "publisher.zip").write_text("a zip")
            (folder / "given.tfvars").write_text(self.variables_file(given))
            return tfparse.load_from_path(folder, vars_paths=["given.tfvars"])

    def variables_file(self, given):
        return "".join(f"{name} = {self._literal(value)}\n" for name, value in given.items())

    def _literal(self, value):
        return str(value).lower() if isinstance(value, (bool, int)) else '"' + value + '"'
