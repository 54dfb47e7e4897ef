"""Mirrors auditkit/reproduce.py."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import auditkit
from auditkit.artifacts.base import Artifacts
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Check
from auditkit.data.load import DataSpec
from auditkit.errors import AuditkitError, ConfigError, ResultError
from auditkit.models.endpoint import Endpoint
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy
from auditkit.provenance import typed
from auditkit.reproduce import (
    Question,
    Reproduction,
    _within,
    changed_words,
    reproduce,
    swept_by,
)
from auditkit.result import Result, read_result, to_json
from auditkit.run import Request, run
from auditkit.stored import packed, read_inputs
from tests.methods.attacks.subjects import feature_subject
from tests.subjects import Subject

EPSILON = "pgd-linf/robust_accuracy/all/epsilon=0.05"
UNBOUNDED = "pgd-linf/unbounded_robust_accuracy/all"
CHECKS = ("pgd-linf", "fgsm-linf", "robustness-curve", "worst-case", "clean-accuracy")
PARAMETERS = {
    "pgd-linf": {"epsilons": [0.005, 0.05], "steps": 3},
    "fgsm-linf": {"epsilons": [0.05]},
    "robustness-curve": {"linf": [], "l2": [0.2, 1.0], "queries": 0},
    "worst-case": {"linf": [0.05], "l2": [0.3], "l1": [2.0], "queries": 20},
}


WRONG = 39  # labelled against the model


def write_subject(folder: Path, subject: Subject) -> None:
    """A model file and a data file as a user has them, with one input that is answered wrongly."""
    auditkit.save(subject.model, folder / "model.safetensors")
    images, labels = subject.artifacts.images.numpy(), subject.data.labels.copy()
    labels[WRONG] = 1 - labels[WRONG]
    np.savez(folder / "data.npz", x=images, y=labels)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model, data and the result of an audit in report/."""
    folder = tmp_path_factory.mktemp("audited")
    write_subject(folder, feature_subject(robust=False))
    run(
        Request(
            model=ModelSpec(source=str(folder / "model.safetensors")),
            data=DataSpec(source=str(folder / "data.npz")),
            policy=Policy(checks=CHECKS, parameters=PARAMETERS, max_inputs=30, seed=3),
            out=folder / "report",
            formats=("json",),
        )
    )
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of that result to damage; model and data stay where they are."""
    shutil.copytree(made / "report", tmp_path / "report")
    return tmp_path / "report"


def answer(result: Path, finding: str, **more: object) -> Reproduction:
    return reproduce(Question(result=result, finding=finding, **more)).reproduction  # type: ignore[arg-type]


def changed(folder: Path, **provenance: object) -> Path:
    """The result with another provenance."""
    result = read_result(folder)
    other = result.provenance.model_copy(update=provenance)
    (folder / "result.json").write_text(to_json(result.model_copy(update={"provenance": other})))
    return folder


def with_inputs(
    folder: Path, change: Callable[[Adversarial], Adversarial], *, check: str = "pgd-linf"
) -> Path:
    """The result with other stored inputs of a check, whose hash it names."""
    result = read_result(folder)
    assert result.adversarial is not None
    inputs = read_inputs(folder, result.adversarial)
    inputs[check] = [change(one) for one in inputs[check]]
    content = packed(inputs)
    (folder / result.adversarial.file).write_bytes(content)
    named = {"sha256": hashlib.sha256(content).hexdigest()}
    adversarial = result.adversarial.model_copy(update=named)
    other = result.model_copy(update={"adversarial": adversarial})
    (folder / "result.json").write_text(to_json(other))
    return folder


# --- stored inputs -------------------------------------------------------------------------------


def test_every_finding_of_every_attack_comes_out_again(made: Path) -> None:
    result = read_result(made / "report")
    how: dict[str, int] = {}
    for outcome in result.outcomes:
        assert outcome.status == "measured", outcome
        for finding in outcome.findings:
            if not swept_by(finding):
                continue
            found = answer(made / "report", finding.id)
            assert found.reproduced, found
            assert found.exit_code == 0
            how[found.how] = how.get(found.how, 0) + 1
            if found.replayed is not None:
                assert found.replayed.n == found.replayed.fooled == found.replayed.found
    assert how["replayed"] >= 10
    assert how["measured again"] >= 2, "at 0.005 nothing falls, so that nothing is stored"


def test_the_sentence_says_how_many(made: Path) -> None:
    found = answer(made / "report" / "result.json", EPSILON)
    assert found.replayed is not None
    assert found.replayed.n == 29
    assert found.sentence == (
        "29 of 29 stored inputs behind this finding fool the model again; the finding counts 29."
    )
    assert json.loads(found.model_dump_json())["recorded"]["value"] == 0.0


def clean(one: Adversarial) -> Adversarial:
    """The stored inputs, the first of them not changed at all."""
    subject = feature_subject(robust=False)
    assert isinstance(one.inputs, np.ndarray)
    inputs = one.inputs.copy()
    inputs[0] = subject.artifacts.images[int(one.ids[0])].numpy()
    return replace(one, inputs=inputs)


def moved(by: float) -> Callable[[Adversarial], Adversarial]:
    """The stored inputs, with another value where the model does not look at the first of them."""

    def change(one: Adversarial) -> Adversarial:
        assert isinstance(one.inputs, np.ndarray)
        inputs = one.inputs.copy()
        inputs[0, 0, 0, 0] += by
        return replace(one, inputs=inputs)

    return change


@pytest.mark.parametrize(
    ("change", "fooled", "within"),
    [(clean, 28, 29), (moved(0.2), 29, 28), (moved(float("nan")), 28, 28)],
    ids=["not changed", "beyond its budget", "not a number"],
)
def test_an_input_that_does_not_hold_what_it_promises_is_named(
    folder: Path, change: Callable[[Adversarial], Adversarial], fooled: int, within: int
) -> None:
    found = answer(with_inputs(folder, change), EPSILON)
    assert found.reproduced is False
    assert found.exit_code == 1
    assert found.replayed is not None
    assert (found.replayed.n, found.replayed.fooled) == (29, fooled)
    assert found.replayed.within == within
    assert len(found.replayed.failed) == 1
    assert f"see '{found.replayed.failed[0]}'" in found.sentence


def test_fewer_stored_than_counted_is_not_reproduced(folder: Path) -> None:
    found = answer(with_inputs(folder, lambda one: one.at(np.arange(28))), EPSILON)
    assert found.replayed is not None
    assert (found.replayed.n, found.replayed.found, found.reproduced) == (28, 29, False)


def test_an_input_that_was_wrong_anyway_counts_for_nothing(folder: Path) -> None:
    def swapped(one: Adversarial) -> Adversarial:
        assert isinstance(one.inputs, np.ndarray)
        inputs = one.inputs.copy()
        inputs[0] = feature_subject(robust=False).artifacts.images[WRONG].numpy()
        return replace(one, ids=(str(WRONG), *one.ids[1:]), inputs=inputs)

    found = answer(with_inputs(folder, swapped), EPSILON)
    assert found.replayed is not None
    assert (found.replayed.fooled, found.replayed.within) == (29, 29)
    assert found.replayed.right_before == 28
    assert found.reproduced is False


def test_out_of_bounds_is_out_however_near() -> None:
    model = feature_subject(robust=False).model
    white = torch.full((2, 1, 4, 4), 0.99)
    changed = white + torch.tensor([0.01, 0.02]).view(2, 1, 1, 1)
    stored = Adversarial.among(
        ["a", "b"], changed, np.full(2, 0.05), parameter="epsilon", measure="linf", most=1.0
    )
    assert _within(model, white, changed, stored).tolist() == [True, False]


def test_words_are_counted() -> None:
    assert changed_words("a b c", "a b c") == 0
    assert changed_words("a b, c", "a bb, d") == 2
    assert changed_words("a b", "a b c") == 1
    assert changed_words("one two three", "on e two tree") == 2


# --- measured again ------------------------------------------------------------------------------


@pytest.mark.parametrize("finding", [UNBOUNDED, "clean-accuracy/accuracy/all"])
def test_what_has_no_stored_inputs_is_measured_again(made: Path, finding: str) -> None:
    found = answer(made / "report", finding)
    assert found.how == "measured again"
    assert found.reproduced
    assert found.measured == found.recorded
    assert found.sentence.endswith("as in the result.")


def test_recompute_asks_the_attack_itself(made: Path) -> None:
    found = answer(made / "report", EPSILON, recompute=True)
    assert (found.how, found.reproduced) == ("measured again", True)


def test_another_number_is_not_reproduced(folder: Path) -> None:
    file = folder / "result.json"
    content = json.loads(file.read_text())
    for outcome in content["outcomes"]:
        for finding in outcome["findings"]:
            if finding["id"] == UNBOUNDED:
                finding["high"] += 1e-12
    file.write_text(json.dumps(content))
    found = answer(folder, UNBOUNDED)
    assert found.reproduced is False
    assert "the result has" in found.sentence


def test_a_check_that_fails_now_decides_nothing(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(self: Check, artifacts: Artifacts) -> None:
        raise RuntimeError("no memory left on the moon")

    monkeypatch.setattr("auditkit.checks.robustness.pgd_linf.PgdLinf.measure", raises)
    found = answer(made / "report", UNBOUNDED)
    assert found.reproduced is None
    assert found.exit_code == 3
    assert "no memory left on the moon" in found.sentence


def test_another_version_of_the_check_is_refused(folder: Path) -> None:
    file = folder / "result.json"
    file.write_text(re.sub(r'"version": \d', '"version": 7', file.read_text()))
    with pytest.raises(ResultError, match="was of version 7 then"):
        answer(folder, UNBOUNDED)


# --- the same model and data ---------------------------------------------------------------------


def test_another_model_is_refused(made: Path, tmp_path: Path) -> None:
    write_subject(tmp_path, feature_subject(robust=True))
    with pytest.raises(ResultError, match="The model is not what was audited: the hash of model"):
        answer(made / "report", EPSILON, model=str(tmp_path / "model.safetensors"))


def test_other_data_are_refused(made: Path, tmp_path: Path) -> None:
    images = feature_subject(robust=False).artifacts.images.numpy()
    images[0, 0, 0, 0] += 0.01
    labels = np.load(made / "data.npz")["y"]
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    with pytest.raises(ResultError, match="The data are not what was audited"):
        answer(made / "report", EPSILON, data=str(tmp_path / "data.npz"))


def test_the_same_elsewhere_is_taken(made: Path, tmp_path: Path) -> None:
    model = shutil.copy(made / "model.safetensors", tmp_path / "renamed.safetensors")
    data = shutil.copy(made / "data.npz", tmp_path)
    assert answer(made / "report", EPSILON, model=str(model), data=str(data)).reproduced
    data = shutil.copy(made / "data.npz", tmp_path / "renamed.npz")
    with pytest.raises(ResultError, match=r"called renamed.* here and data.* then"):
        answer(made / "report", EPSILON, model=str(model), data=str(data))


@pytest.mark.parametrize("what", ["model", "data"])
def test_what_is_not_here_is_said(folder: Path, what: str) -> None:
    with pytest.raises(
        ConfigError, match=f"nowhere.*, the {what} of this result, is not here"
    ) as e:
        answer(changed(folder, **{f"{what}_options": {"source": "nowhere.npz"}}), EPSILON)
    assert f"--{what}" in e.value.hint


def test_a_model_in_memory_needs_a_file(folder: Path, made: Path) -> None:
    with pytest.raises(ConfigError, match="in memory"):
        answer(changed(folder, model_options=None), EPSILON)
    assert answer(folder, EPSILON, model=str(made / "model.safetensors")).reproduced


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"source": "model.pt", "arch": "os:abort"}, "--arch os:abort"),
        ({"source": "os:abort"}, "os:abort"),
        ({"source": "model.pt", "trust_code": True}, "model.pt --trust-code"),
    ],
)
def test_a_result_alone_runs_no_code(folder: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"that the result names: {said}") as error:
        answer(changed(folder, model_options=options), EPSILON)
    assert "--trust-code" in error.value.hint


def test_a_changed_file_with_code_is_not_even_opened(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(b"whatever would run")
    options = {"source": str(file), "trust_code": True}
    with pytest.raises(ResultError, match="The model is not what was audited"):
        answer(changed(folder, model_options=options), EPSILON, trust_code=True)


def test_a_result_does_not_decide_who_is_asked(folder: Path) -> None:
    url = "https://127.0.0.1:1/v1?key=secret"
    spec = ModelSpec(source="x", endpoint=Endpoint(url=url, rate_limit=2.0))
    options = typed(spec)
    assert options is not None
    assert "secret" not in json.dumps(options)
    with pytest.raises(ConfigError, match="a result does not decide who is asked"):
        answer(changed(folder, model_options=options), EPSILON)


def test_own_architectures_are_read_again_with_consent(tmp_path: Path) -> None:
    """The options that were typed come back from the result."""
    torch.manual_seed(0)
    from tests.faults.networks import Fine

    torch.save(Fine().state_dict(), tmp_path / "weights.pt")
    model = ModelSpec(
        source=str(tmp_path / "weights.pt"),
        arch="tests.faults.networks:Fine",
        input_shape=(1, 8, 8),
        mean=(0.5,),
        std=(0.25,),
    )
    rules = Policy(checks=("fgsm-linf",), max_inputs=50)
    data = DataSpec(source="digits")
    run(Request(model=model, data=data, policy=rules, out=tmp_path / "r", formats=("json",)))
    finding = "fgsm-linf/robust_accuracy/all/epsilon=0.1"
    with pytest.raises(ConfigError, match=r"tests\.faults\.networks:Fine"):
        answer(tmp_path / "r", finding)
    for recompute in (False, True):
        found = answer(tmp_path / "r", finding, trust_code=True, recompute=recompute)
        assert found.reproduced, found
        assert found.how == ("measured again" if recompute else "replayed")


# --- findings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pgd-linf/robust_acuracy/all/epsilon=0.05", f"Did you mean '{EPSILON}'"),
        ("pgd-linf", "Name one of them, such as pgd-linf/robust_accuracy"),
        ("", "such as"),
    ],
)
def test_unknown_findings_are_answered_with_near_ones(made: Path, name: str, said: str) -> None:
    with pytest.raises(ResultError) as error:
        answer(made / "report", name)
    assert said in str(error.value)


def test_a_result_without_inputs_is_measured_again(folder: Path) -> None:
    result = read_result(folder)
    other = result.model_copy(update={"adversarial": None})
    (folder / "result.json").write_text(to_json(other))
    assert answer(folder, EPSILON).how == "measured again"


def test_a_damaged_provenance_is_said(folder: Path) -> None:
    for damage in ({"model_options": {"sorce": "x"}}, {"policy": {"seed": "x"}}):
        with pytest.raises(AuditkitError):
            answer(changed(folder, **damage), EPSILON)


def test_what_is_different_here_is_noted(folder: Path) -> None:
    packages = {**read_result(folder).provenance.packages, "torch": "1.0"}
    found = answer(changed(folder, packages=packages, device="cuda:7"), EPSILON)
    assert found.reproduced
    assert f"torch is {torch.__version__} here and was 1.0 then." in found.notes
    assert "The device is cpu here and was cuda:7 then." in found.notes


def test_texts_are_replayed(tmp_path: Path) -> None:
    rules = Policy(checks=("token-swap",), max_inputs=12, parameters={"token-swap": {"queries": 8}})
    model = ModelSpec(source="phrases-transformer")
    made: Result = run(Request(model=model, policy=rules, out=tmp_path, formats=("json",))).result
    assert made.adversarial is not None
    found = answer(tmp_path, "token-swap/attack_success_rate/all/changes=3")
    assert found.reproduced
    assert found.replayed is not None
    assert found.replayed.n > 3


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of attacks on rows of a table."""
    folder = tmp_path_factory.mktemp("table")
    run(
        Request(
            model=ModelSpec(source="breast-cancer-logistic-regression"),
            policy=Policy(
                checks=("feature-changes",),
                max_inputs=40,
                parameters={
                    "feature-changes": {
                        "columns": [3],
                        "spread": 1.0,
                        "radii": [0.25],
                        "immutable": ["worst texture"],
                    }
                },
            ),
            out=folder,
            formats=("json",),
        )
    )
    return folder


@pytest.mark.parametrize("budget", ["columns=3", "radius=0.25"])
def test_rows_of_a_table_are_replayed(table: Path, budget: str) -> None:
    found = answer(table, f"feature-changes/attack_success_rate/all/{budget}")
    assert found.reproduced
    assert found.replayed is not None
    assert found.replayed.n > 3


@pytest.mark.parametrize(
    ("column", "value"),
    [("worst texture", 25.0), ("worst area", 4000.0), ("worst radius", float("nan"))],
)
def test_a_row_that_breaks_the_rules_is_not_reproduced(
    table: Path, tmp_path: Path, column: str, value: float
) -> None:
    """A column that was to stay, a number that went too far, a value that went missing."""
    folder = tmp_path / "damaged"
    shutil.copytree(table, folder)
    schema = load_model(ModelSpec(source="breast-cancer-logistic-regression")).schema  # type: ignore[attr-defined]

    def damaged(one: Adversarial) -> Adversarial:
        assert isinstance(one.inputs, np.ndarray)
        inputs = one.inputs.copy()
        inputs[0, schema.names.index(column)] = value
        return replace(one, inputs=inputs)

    with_inputs(folder, damaged, check="feature-changes")
    found = answer(folder, "feature-changes/robust_accuracy/all/radius=0.25")
    assert found.replayed is not None
    assert found.replayed.within == found.replayed.n - 1
    assert not found.reproduced
