"""What an audit in this process comes to when the model misbehaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from auditkit import run as run_module
from auditkit.data.load import DataSpec
from auditkit.errors import ModelError
from auditkit.findings import Outcome
from auditkit.models.classifier import ImageClassifier
from auditkit.policy import Policy
from auditkit.result import Execution, Result, read_result, to_json
from auditkit.run import Request, run
from tests.faults import networks

DIGITS = [str(i) for i in range(10)]


def classifier(kind: type[networks.Fine]) -> ImageClassifier:
    torch.manual_seed(0)
    return ImageClassifier(kind(), classes=DIGITS, input_shape=(1, 8, 8))


def request(kind: type[networks.Fine], out: Path, **changes: object) -> Request:
    about = {"checks": ("clean-accuracy", "fgsm-linf"), "max_inputs": 60}
    settings: dict[str, object] = {
        "model": classifier(kind),
        "data": DataSpec(source="digits"),
        "policy": Policy.model_validate({**about, **changes.pop("policy", {})}),  # type: ignore[dict-item]
        "out": out,
        "formats": ("json",),
        "execution": Execution(batch_size=128, shard_size=50),
    }
    return Request(**{**settings, **changes})  # type: ignore[arg-type]


def audited(kind: type[networks.Fine], out: Path, **changes: object) -> Result:
    result = run(request(kind, out, **changes)).result
    assert read_result(out) == result
    return result


def outcomes(result: Result) -> dict[str, Outcome]:
    return {one.check: one for one in result.outcomes}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (networks.Nan, "NaN or infinite logits"),
        (networks.WrongShape, "returned shape (50, 3)"),
        (networks.WrongCount, "returned shape (49, 10)"),
        (networks.Complex, "returned torch.complex64 values, expected real numbers"),
        (networks.Words, "returned list, expected a tensor"),
        (networks.Raises, "RuntimeError: the disk fell off"),
        (networks.Exits, "called exit(0)"),
    ],
)
def test_what_goes_wrong_is_the_outcome_of_each_check(
    kind: type[networks.Fine], said: str, tmp_path: Path
) -> None:
    found = outcomes(audited(kind, tmp_path, policy={"required": ["clean-accuracy"]}))
    assert {one.status for one in found.values()} == {"errored"}
    assert all(said in (one.reason or "") for one in found.values()), found
    assert read_result(tmp_path).verdict.exit_code == 3, "absence never passes"


def test_a_sound_model_has_nothing_to_note(tmp_path: Path) -> None:
    result = audited(networks.Fine, tmp_path)
    assert {one.status for one in result.outcomes} == {"measured"}
    assert result.provenance.incidents == []
    assert not any("differently" in note for note in result.model.notes)


def test_answers_that_differ_are_noted(tmp_path: Path) -> None:
    result = audited(networks.Stochastic, tmp_path)
    assert any("answers differently each time it is asked" in one for one in result.model.notes)


def test_state_that_changes_is_put_back_and_said(tmp_path: Path) -> None:
    asked = request(networks.Changes, tmp_path)
    assert isinstance(asked.model, ImageClassifier)
    before = {name: one.clone() for name, one in asked.model.module.state_dict().items()}
    result = run(asked).result
    after = asked.model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not asked.model.module.head.training  # type: ignore[union-attr]
    (said,) = result.provenance.incidents
    assert "asked, head.bias, head.training" in said
    assert "put back after every step" in said
    fine = audited(networks.Fine, tmp_path / "fine")
    assert outcomes(result)["clean-accuracy"].findings == outcomes(fine)["clean-accuracy"].findings


@pytest.mark.parametrize("kind", [networks.Sleeps, networks.Swallows])
def test_a_check_that_takes_too_long_is_given_up(kind: type[networks.Fine], tmp_path: Path) -> None:
    result = audited(kind, tmp_path, policy={"check_timeout": 1.0, "checks": ["clean-accuracy"]})
    (one,) = result.outcomes
    assert one.status == "errored"
    assert one.reason == "it took longer than the time limit of 1 s"
    assert 1 <= one.seconds < 30


def test_out_of_memory_halves_the_batch_and_nothing_else_changes(tmp_path: Path) -> None:
    result = audited(networks.Greedy, tmp_path / "halved")
    assert result.provenance.execution.batch_size == 32
    (said,) = result.provenance.incidents
    assert "Batch size halved from 128 to 32: out of memory in clean-accuracy" in said
    small = Execution(batch_size=32, shard_size=50)
    same = audited(networks.Greedy, tmp_path / "same", execution=small)
    assert same.provenance.incidents == []
    assert same.provenance.execution == result.provenance.execution
    assert same.records == result.records
    assert [one.findings for one in same.outcomes] == [one.findings for one in result.outcomes]


class Counts:
    """Counts measured shards by check."""

    def __init__(self) -> None:
        self.shards: list[str] = []
        self._check = ""

    def warned(self, doubt: str) -> None: ...
    def planned(self, plan: object) -> None: ...

    def checking(self, check: object) -> None:
        self._check = check.meta.id  # type: ignore[attr-defined]

    def stepped(self) -> None:
        self.shards.append(self._check)

    def noted(self, incident: str, *, again: bool) -> None: ...
    def finished(self, outcome: object) -> None: ...


def test_checks_that_were_finished_are_measured_again_with_the_smaller_batch(
    tmp_path: Path,
) -> None:
    """One batch size holds for the whole result."""
    progress = Counts()
    result = run(request(networks.GreedyBackward, tmp_path), progress=progress).result
    assert result.provenance.execution.batch_size == 32
    assert progress.shards == ["clean-accuracy"] * 4 + ["fgsm-linf"] * 2


def test_too_little_memory_for_model_and_data_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(_spec: object) -> None:
        raise MemoryError

    monkeypatch.setattr(run_module, "load_subject", starved)
    with pytest.raises(ModelError, match="not enough memory to load") as raised:
        run(request(networks.Fine, tmp_path))
    assert "--max-inputs" in raised.value.hint


def test_a_step_that_never_fits_is_an_outcome_and_the_others_keep_their_batch(
    tmp_path: Path,
) -> None:
    result = audited(networks.Insatiable, tmp_path)
    assert {one.status for one in result.outcomes} == {"errored"}
    assert all("even one input at a time" in (one.reason or "") for one in result.outcomes)
    assert result.provenance.execution.batch_size == 128


def test_interrupted_results_name_no_records_that_another_run_wrote(tmp_path: Path) -> None:
    """While checks run, the partial result has none: two files cannot be replaced at once."""
    seen: list[object] = []

    class Looks:
        def warned(self, doubt: str) -> None: ...
        def planned(self, plan: object) -> None: ...
        def checking(self, check: object) -> None:
            seen.append(json.loads((tmp_path / "result.json").read_text())["records"])

        def stepped(self) -> None: ...
        def noted(self, incident: str, *, again: bool) -> None: ...
        def finished(self, outcome: object) -> None: ...

    result = run(request(networks.Fine, tmp_path), progress=Looks()).result
    assert seen == [None, None]
    assert result.records is not None
    assert "records.parquet" in to_json(result)
