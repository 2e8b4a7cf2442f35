"""Holds the parser that evaluates the modules to Terraform itself: both find the same variables and locals.

same_in_terraform.py INFRA

Resources need the provider and are left out. What they would tell is a mark, then unknown, as it is before the first apply.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from evaluated import Module, Template
from same_as_template import MODULES, differences, of_variables, sets

# Blocks that need the provider, and outputs, which name them.
BLOCKS = re.compile(r"^(?:resource|data|terraform|output) [^\n]*\{(?:\}|\n.*?^\})\n", re.DOTALL | re.MULTILINE)
UNKNOWN = 'resource "terraform_data" "unknown" {}\n'


def terraform(folder, *arguments):
    ran = subprocess.run(["terraform", *arguments], cwd=folder, text=True, capture_output=True)
    if ran.returncode:
        sys.exit(f"terraform {' '.join(arguments)}: {ran.stderr}")
    return ran.stdout


def planned(module, given, names, unknown):
    """Returns the values of these locals, as far as they are known."""
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for name, text in module.texts.items():
            text = BLOCKS.sub("", text)
            (folder / name).write_text(re.sub(r'"<[a-z_.]+>"', "terraform_data.unknown.id", text) if unknown else text)
        outputs = (f'output "{name}" {{\n  value = local.{name}\n}}\n' for name in names)
        (folder / "outputs_of_locals.tf").write_text(UNKNOWN + "".join(outputs))
        (folder / "terraform.tfvars").write_text(module.variables_file(given))
        terraform(folder, "init", "-no-color", "-input=false")
        terraform(folder, "plan", "-no-color", "-input=false", "-out=plan")
        found = json.loads(terraform(folder, "show", "-json", "plan"))["planned_values"]["outputs"]
        return {name: output.get("value") for name, output in found.items()}


def main():
    infra, unlike = pathlib.Path(sys.argv[1]), []
    for name, folder in MODULES.items():
        template, module = Template(infra / name), Module(infra / folder)
        for told in ("defaults", "everything"):
            given = of_variables(sets(name, template)[told], module)
            wanted = module.locals_of(given)
            planned(module, given, wanted, unknown=True)
            unlike += differences(f"{folder}, {told}", wanted, planned(module, given, wanted, unknown=False))
    sys.exit("\n".join(unlike).replace("the template", "the parser").replace("the module", "Terraform") or 0)


main()
