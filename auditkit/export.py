"""Adversarial inputs as a regression test: a file for pytest, and the inputs beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from string import Template

import numpy as np

from auditkit.checks.adversarial import Adversarial
from auditkit.errors import ConfigError
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, is_asked, names_function
from auditkit.models.tabular import TabularClassifier
from auditkit.provenance import MODEL_OPTIONS
from auditkit.reproduce import Answered
from auditkit.result import write_atomically

MOST = 32  # inputs of one test
MOST_BYTES = 4 * 2**20  # of them, before compression
WIDTH = 88  # characters of a line, as ruff and black have it by default

_MEASURES = {
    "linf": "Linf distance, as a share of the input range",
    "l2": "L2 distance, in units of the input range",
    "l1": "L1 distance, in units of the input range",
    "words": "changed words",
    "columns": "changed columns",
    "std": "farthest move of a number, in training standard deviations",
}

_TEXT = Template('''"""Inputs that changed an answer of $name, as a regression test.

Written by `audit reproduce` from the finding
$finding
with the inputs beside this file in $arrays: $what, each as it fooled
the model, with the true class of the input that it was made from. Every test is named
after that input and its budget ($measure).

A test fails as long as its input fools the model, and passes once the model is mended.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
$imports

HERE = Path(__file__).parent
STORED = np.load(HERE / $file, allow_pickle=False)
${paths}MODEL = ModelSpec(
$options
)
CASES = [  # a file holds inputs, labels, ids and budgets, in this order
    pytest.param($case, label, id=f"{name} at {budget:g}")
    for $one, label, name, budget in zip(*STORED.values(), strict=True)
]


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL)


@pytest.mark.parametrize(("$one", "label"), CASES)
def test_is_answered_correctly(model, $one, label):
    logits = model.predict($asked)
    assert model.classes[int(logits.argmax())] == label
''')


def write_test(file: Path, answered: Answered) -> int:
    """Write a test of the inputs that fool the model, and return how many it holds.

    The smallest budgets come first. Relative paths in the test start at its own folder.

    Parameters
    ----------
    file : Path
        To write: test_NAME.py; the inputs go to test_NAME.npz.
    answered : Answered
        A finding whose stored inputs were replayed.

    Raises
    ------
    ConfigError
        If no stored input fools the model, the model is served or in memory, or pytest would not
        find the file.
    """
    require_test_file(file)
    fooling = answered.fooling
    if fooling is None or len(fooling) == 0:
        raise ConfigError(
            f"No stored input behind {answered.reproduction.finding} fools the model.",
            hint="Name a finding of an attack: robust_accuracy or attack_success_rate.",
        )
    spec = _loading(answered)
    chosen = _chosen(fooling)
    write_atomically(file.with_suffix(".npz"), _arrays(answered, chosen))
    write_atomically(file, _text(file, answered, spec, chosen))
    return len(chosen)


def require_test_file(file: Path) -> None:
    """Raise ConfigError unless pytest would find a new file of this name."""
    if file.suffix != ".py" or not (file.stem.startswith("test_") or file.stem.endswith("_test")):
        raise ConfigError(
            f"pytest does not find tests in {file.name}.",
            hint=f"Name it: --export-test {file.with_name(f'test_{file.stem}.py')}",
        )
    for one in (file, file.with_suffix(".npz")):
        if one.exists():
            raise ConfigError(f"{one} exists.", hint="Remove it, or name another file.")


def _chosen(fooling: Adversarial) -> Adversarial:
    """Return the inputs that took least, as many as a test should hold."""
    order = np.argsort(fooling.budgets, kind="stable")[:MOST]
    first = fooling.at(order)
    return first.bounded(MOST_BYTES)


def _arrays(answered: Answered, chosen: Adversarial) -> bytes:
    data = answered.subject.data
    place = {one: i for i, one in enumerate(data.ids)}
    labels = [data.classes[data.labels[place[one]]] for one in chosen.ids]
    buffer = BytesIO()
    np.savez_compressed(
        buffer,
        inputs=np.asarray(chosen.inputs),
        labels=np.array(labels),
        ids=np.array(chosen.ids),
        budgets=chosen.budgets,
    )
    return buffer.getvalue()


def _loading(answered: Answered) -> ModelSpec:
    """Return the specification with which a test loads the model without data."""
    spec, model = answered.spec.model, answered.subject.model
    if not isinstance(spec, ModelSpec) or spec.endpoint is not None:
        raise ConfigError(
            "A test has to load the model from a file, and this one is served.",
            hint="Leave out --export-test.",
        )
    if is_asked(spec) and isinstance(model, ImageClassifier):  # what the data said of it
        spec = replace(spec, input_shape=model.input_shape, classes=model.classes)
    return replace(spec, hints=None, notes=(), memory=None)


# --- text ----------------------------------------------------------------------------------------


def _text(file: Path, answered: Answered, spec: ModelSpec, chosen: Adversarial) -> str:
    texts = isinstance(chosen.inputs, list)
    table = isinstance(answered.subject.model, TabularClassifier)
    one = "text" if texts else "row" if table else "image"
    imports = [
        *([] if texts else ["import torch"]),
        "from auditkit.models.load import ModelSpec, load_model",
        *(["from auditkit.models.texts.options import TextOptions"] if spec.texts.given else []),
    ]
    return _TEXT.substitute(
        name=_plain(answered.subject.model.identity.name),
        finding=_plain(answered.reproduction.finding),
        arrays=_plain(file.with_suffix(".npz").name),
        file=literal(file.with_suffix(".npz").name),
        what=f"{len(chosen)} {one}s",
        measure=_MEASURES[chosen.measure],
        imports="\n".join(imports),
        paths="".join(f"{k} = {literal(v)}\n" for k, v in _paths(file.parent, spec).items()),
        options="\n".join(_options(spec)),
        case="str(text)" if texts else one,
        one=one,
        asked="[text]" if texts else f"torch.from_numpy({one}[None])",
    )


def _paths(folder: Path, spec: ModelSpec) -> dict[str, str]:
    """Return the files that the model needs, from the folder of the test, by constant."""
    named = {
        "SOURCE": None if spec.source in MODELS or names_function(spec) else spec.source,
        "VOCABULARY": spec.texts.vocabulary,
    }
    return {name: _relative(path, folder) for name, path in named.items() if path is not None}


def _options(spec: ModelSpec) -> Iterator[str]:
    """Yield the lines of what is passed to ModelSpec."""
    given = MODEL_OPTIONS.dump_python(spec, exclude_defaults=True)
    texts = given.pop("texts", {})
    is_file = spec.source not in MODELS and not names_function(spec)
    for name, value in given.items():
        yield from _option(name, value, is_path=name == "source" and is_file)
    if texts:
        yield "    texts=TextOptions("
        for name, value in texts.items():
            yield from (f"    {one}" for one in _option(name, value, is_path=name == "vocabulary"))
        yield "    ),"


def _option(name: str, value: object, *, is_path: bool) -> list[str]:
    if is_path:
        return [f"    {name}=str(HERE / {name.upper()}),"]
    if not isinstance(value, list | tuple):
        return [f"    {name}={_value(value)},"]
    parts = [_value(one) for one in value]
    comma = "," if len(parts) == 1 else ""
    line = f"    {name}=({', '.join(parts)}{comma}),"
    if len(line) + 4 <= WIDTH:  # where it is nested it is four further in
        return [line]
    return [f"    {name}=(", *(f"        {one}," for one in parts), "    ),"]


def _relative(path: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return Path(path).absolute().as_posix()


def _value(value: object) -> str:
    return literal(value) if isinstance(value, str) else repr(value)


def literal(text: str) -> str:
    r"""Return a text as Python source on one line, quoted as formatters quote it.

    Examples
    --------
    >>> literal("a"), literal('say "a"'), literal("a\nb")
    ('"a"', '\'say "a"\'', '"a\\nb"')
    """
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = text.encode("unicode_escape").decode("ascii").replace(quote, f"\\{quote}")
    return f"{quote}{body}{quote}"


def _plain(name: str) -> str:
    """Return a name without what could end or change a docstring."""
    return "".join(one for one in name if one.isprintable() and one not in '"\\')
