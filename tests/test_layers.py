"""Imports only point down: this table is the architecture."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = """
    cli.*
    tryout  testing.*
    daemon
    draft  reloading  workers
    node  publishing  sample
    config
    ahead  finding  outgoing  sensing  sources  trying
    legacy  place  recognising  sampler  sections  source  timekeeping  worker
    slips
    registry
    channels.*  journal.*  processors.*  sensors.*
    sensors._i2c_known
    sensors._bosch  sensors._scd  sensors._sht
    sensors._sps30
    sensors._ports  sensors._resting  sensors._sensirion
    channels._http  channels._influx.*  channels._mqtt.*  sensors._iio  sensors._shdlc
    channels._tls  hardware.*  sensors._duty
    judge  naming  trouble
    logs  pipeline
    settings
    examples  journal  perfield  plugin
    control  fields  ini  options  power  secrets  systemd.*  window  wire
    exact
    background  clock  errors  extras  shown  state  telegram  units
"""
"""A module may import from the lines below its own, and from its own package where that is named with a star."""

PLUGINS = ("sensors", "channels", "processors")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "mysense").rglob("*.py")
}
RANK = {f"mysense.{name}": height for height, line in enumerate(reversed(LAYERS.split("\n"))) for name in line.split()}
OPEN = {"mysense", *(f"mysense.{package}" for package in PLUGINS)}
"""Packages that hold a docstring or a version and import nothing: everybody may name them."""


def layer(module):
    """The line of the table that names *module*, or else its package with a star."""
    parts = module.split(".")
    names = [module, *(".".join(parts[:n]) + ".*" for n in range(len(parts) - 1, 1, -1)), f"{module}.*"]
    return next((RANK[name] for name in names if name in RANK), None)


def imported(tree):
    """The modules of ours that any statement of a file imports, in functions too.

    Not those of ``if __name__ == "__main__"``: that is a program, which nobody imports.
    """
    main = {
        inner
        for node in ast.iter_child_nodes(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for inner in ast.walk(node)
    }
    for node in set(ast.walk(tree)) - main:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "mysense")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: say from where: no relative imports"
            if node.module.split(".")[0] == "mysense":
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                yield from (name if name in FILES else node.module for name in names)


def unit(module):
    """What may import within itself: a plugin, be it a file or a package, or another package of ours."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1:2] and parts[1] in PLUGINS else 2])


def parse(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def is_plugin(module):
    return module.startswith(tuple(f"mysense.{package}." for package in PLUGINS))


@pytest.mark.parametrize("module", sorted(module for module in FILES.keys() - OPEN if not module.endswith(".__main__")))
def test_imports_point_down(module):
    height = layer(module)
    assert height is not None, f"{module} has no place in the table of layers"

    upward = {
        name
        for name in imported(parse(module))
        if name not in OPEN and unit(name) != unit(module) and not (layer(name) is not None and layer(name) < height)
    }

    assert not upward


@pytest.mark.parametrize("module", sorted(OPEN))
def test_the_packages_themselves_import_nothing_of_ours(module):
    assert list(imported(parse(module))) == []


def test_every_name_in_the_table_is_there():
    kinds = {name.removesuffix(".*") for name in RANK}

    assert kinds <= FILES.keys() | {"mysense.testing"}


@pytest.mark.parametrize("module", sorted(name for name in FILES if is_plugin(name) or "mysense.hardware" in name))
def test_plugins_import_nothing_but_the_standard_library_and_mysense_when_they_are_loaded(module):
    foreign = set()
    for node in statements(parse(module)):
        if isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module.split(".")[0])

    assert foreign <= {*sys.stdlib_module_names, "mysense"}


def statements(tree):
    """Every node that runs when a module is loaded: not those in functions, nor those for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from statements(node)


@pytest.mark.parametrize("module", sorted(FILES))
def test_nobody_sleeps_where_an_event_could_wake_him(module):
    called = {ast.unparse(node) for node in ast.walk(parse(module)) if isinstance(node, ast.Attribute | ast.Name)}

    assert called.isdisjoint({"time.sleep", "sleep"})


@pytest.mark.parametrize(
    "text",
    [
        "from mysense.cli import main",
        "import mysense.daemon",
        "def f():\n    from mysense import daemon",
        "if x:\n    import mysense.cli.run",
    ],
)
def test_an_upward_import_is_seen_wherever_it_stands(text):
    [name] = imported(ast.parse(text))

    assert layer(name) > layer("mysense.plugin")
