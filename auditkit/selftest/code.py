"""The code that a result depends on, as a text to hash."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module

PACKAGE = __name__.rpartition(".")[0]


@cache
def code_behind(function: Callable[..., object]) -> str:
    """Return a function's code and that of all it uses within this package.

    Of its own module that is what it reaches by name; modules that this code uses count as a whole,
    together with those of this package that they import. Comments, layout and docstrings change
    nothing.

    Parameters
    ----------
    function : callable
        Defined at the top of a module.
    """
    module = function.__module__
    top = {name: node for node in _tree(module).body for name in _names(node)}
    reached = {function.__name__: top[function.__name__]}
    waiting = [function.__name__]
    while waiting:
        for name in _used(reached[waiting.pop()]):
            if name in top and name not in reached:
                reached[name] = top[name]
                waiting.append(name)
    used = {name for node in reached.values() for name in _used(node)}
    modules = sorted(_all(one for alias, one in _siblings(module).items() if alias in used))
    own = [ast.unparse(reached[name]) for name in sorted(reached)]
    return "\n".join([*own, *(ast.unparse(_tree(one)) for one in modules)])


@cache
def _tree(module: str) -> ast.Module:
    found = sys.modules.get(module) or import_module(module)
    tree = ast.parse(inspect.getsource(found))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [one for one in node.body if not _is_docstring(one)] or [ast.Pass()]
    return tree


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _names(node: ast.stmt) -> Iterator[str]:
    """Yield what a statement at the top of a module defines."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Assign():
            yield from (one.id for one in node.targets if isinstance(one, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case _:
            pass


def _used(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _siblings(module: str) -> dict[str, str]:
    """Return the modules of this package that a module imports, by the names it gives them."""
    found: dict[str, str] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for one in node.names:
                whole = node.module == PACKAGE
                found[one.asname or one.name] = (
                    f"{PACKAGE}.{one.name}" if whole else str(node.module)
                )
    return found


def _all(modules: Iterator[str]) -> set[str]:
    """Return modules with all that they import of this package, and so on."""
    found, waiting = set[str](), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _siblings(module).values()
    return found
