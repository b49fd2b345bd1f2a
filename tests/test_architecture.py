"""The house stays as it was built: who may know whom, what is imported when, how large anything may become."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from importlinter.cli import lint_imports

from napari_unet import errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "napari_unet"
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.rglob("*.py"))}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
ENGINE = {"networks", "training", "inference"}
"""The only rooms that know torch."""


def place(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield file, node


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_rooms_know_only_those_below_them():
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_the_window_and_the_command_line_open_without_torch():
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in TREES
        if room(file) not in ENGINE and file.name != "__main__.py"
    ]
    program = f"""
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in {[*names, *(f"napari_unet.{engine}" for engine in ("training", "inference"))]}:
    importlib.import_module(name)
    if "torch" in sys.modules:
        sys.exit(f"{{name}} imports torch")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_engine_knows_torch_at_module_level():
    offenders = [
        place(file, node)
        for file, tree in TREES.items()
        if room(file) not in ENGINE
        for node in tree.body
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "torch" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch")
    ]
    assert not offenders


def test_imports_are_absolute():
    assert not [place(file, node) for file, node in nodes(ast.ImportFrom) if node.level]


def test_modules_are_short():
    long = {str(f.relative_to(ROOT)): n for f in TREES if (n := len(f.read_text().splitlines())) >= LONGEST_MODULE}
    assert not long


def test_functions_are_short():
    def length(function):
        documented = ast.get_docstring(function, clean=False)
        docstring = function.body[0].end_lineno - function.body[0].lineno + 1 if documented else 0
        return function.end_lineno - function.lineno + 1 - docstring

    functions = nodes(ast.FunctionDef, ast.AsyncFunctionDef)
    assert not [place(file, node) for file, node in functions if length(node) >= LONGEST_FUNCTION]


def test_only_the_command_line_prints():
    offenders = [
        place(file, node)
        for file, node in nodes(ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "print" and room(file) != "cli"
    ]
    assert not offenders


def test_no_error_of_this_program_is_a_runtime_error():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert errors.UnetError in kinds
    assert not [kind for kind in kinds if issubclass(kind, RuntimeError)]
