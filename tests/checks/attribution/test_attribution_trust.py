"""Maps of linear models are faithful, those of rippled ones are not, and controls score chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution import _probes, _trust_maps, _trust_removal
from auditkit.checks.attribution._probes import probe_of
from auditkit.checks.attribution.attribution_trust import AttributionTrust
from auditkit.checks.base import Measured, NotApplicable
from auditkit.data.dataset import Dataset, InMemory, Span
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Finding, ImageExhibit, Matrix, Outcome, Table, TextExhibit
from auditkit.memory import bytes_per_input
from auditkit.methods.saliency.catalogue import DEFAULT, METHODS, Effort, why_not
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy, read_suite
from auditkit.ratings import rated
from auditkit.result import Execution
from tests.methods.saliency.nets import (
    Attentive,
    assert_untouched,
    noise,
    small_cnn,
    state_of,
    word_model,
)
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
    table_subject,
    values,
)

CHECK = AttributionTrust(max_inputs=24, steps=8, deletion_steps=6)
REVEALS = "deletion_gain"
NETWORKS = [one for one in MODELS if one.startswith(("digits-", "fashion-", "cifar-"))]


def of_methods(outcome: Measured) -> list[Finding]:
    """Findings about methods, those about controls left out."""
    return [one for one in outcome.findings if "method" in one.params]


def words_for(outcome: Measured) -> dict[str, str]:
    """What the quick suite calls each map."""
    trust = Outcome(
        check="attribution-trust", version=1, family="attribution", question="?", metrics={},
        status="measured", headline=None, findings=list(outcome.findings),
    )  # fmt: skip
    policy = Policy.model_validate({"ratings": read_suite("quick")["ratings"]})
    return {one.value: one.word for one in rated([trust], policy)}


class Rippled(nn.Module):
    """The left half decides; fine ripples on the right half dominate every slope."""

    def __init__(self, weight: Tensor, bias: float, *, ripple: float) -> None:
        super().__init__()
        left = torch.zeros(4, 4)
        left[:, :2] = 1
        self.weight = nn.Parameter(weight * left.flatten())
        self.waves = nn.Parameter(400 * weight * (1 - left.flatten()))
        self.bias, self.ripple = bias, ripple

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return (flat @ self.weight + self.bias + self.ripple * (flat @ self.waves).sin())[:, None]


def rippled(ripple: float) -> Subject:
    linear = linear_subject(3, n=40, wrong=0)
    images = linear.data.read(slice(None))
    assert not isinstance(images, list)
    flat = torch.from_numpy(images).flatten(1)
    net = Rippled(6 * linear.weight, 0.0, ripple=ripple)
    net.bias = -float((flat @ net.weight).median().detach())
    model = ImageClassifier(net, classes=("0", "1"), input_shape=(1, 4, 4))
    labels = model.predict(torch.from_numpy(images)).argmax(dim=1)
    return Subject(model, image_data(torch.from_numpy(images), labels))


def broken() -> Subject:
    """Slopes point at pixels that decide nothing."""
    return rippled(0.3)


def sound() -> Subject:
    """The same model without ripples is linear."""
    return rippled(0.0)


def text_data(
    texts: list[str], labels: list[int], spans: list[list[Span]] | None = None
) -> Dataset:
    return Dataset(
        name="made-up", split="test", modality="text", classes=("no", "yes"),
        ids=tuple(f"t{i}" for i in range(len(texts))),
        labels=np.asarray(labels, dtype=np.int64),
        attributes=pd.DataFrame(index=range(len(texts))),
        reader=InMemory(texts, spans), sha256="0" * 64,
    )  # fmt: skip


def opinions(*, reads_rationale: bool, n: int = 30) -> Subject:
    """Texts with one opinion word, the rationale, and a colour that gives the label away."""
    rng = np.random.default_rng(0)
    fillers = ["the", "film", "was", "and", "seen"]
    texts: list[str] = []
    spans: list[list[Span]] = []
    labels = [i % 2 for i in range(n)]
    for label in labels:
        opinion, colour = (("bad", "red"), ("good", "blue"))[label]
        words = [opinion, colour, *rng.choice(fillers, 4)]
        texts.append(" ".join(rng.permutation(words)))
        start = f" {texts[-1]} ".index(f" {opinion} ")
        spans.append([(start, start + len(opinion))])
    voters = {"good": 3.0, "bad": -3.0} if reads_rationale else {"blue": 3.0, "red": -3.0}
    names = ["good", "bad", "blue", "red", *fillers]
    model = word_model(names, votes=voters)
    return Subject(model, text_data(texts, labels, spans))


def finding(outcome: Measured, metric: str, method: str = "integrated-gradients") -> Finding:
    wanted = f"attribution-trust/{metric}/all/method={method}"
    return next(one for one in outcome.findings if one.id == wanted)


def table(outcome: Measured) -> dict[str, dict[str, object]]:
    rows: dict[str, dict[str, object]] = {}
    for key in ("scores", "dependence", "location"):
        if (shown := outcome.evidence.get(key)) is None:
            continue
        assert isinstance(shown, Table)
        for measure, *cells in shown.rows:
            for name, cell in zip(shown.columns[1:], cells, strict=True):
                rows.setdefault(name, {})[str(measure)] = cell
    return rows


def test_a_linear_model_is_explained_and_a_rippled_one_is_not():
    good, bad = measured(CHECK, sound()), measured(CHECK, broken())
    assert finding(good, "completeness_error").value == pytest.approx(0, abs=1e-5)
    completeness = finding(bad, "completeness_error").value
    assert completeness is not None
    assert completeness > 0.1
    for method in ("integrated-gradients", "gradient"):
        high, low = (finding(one, "deletion_gain", method) for one in (good, bad))
        assert high.low is not None
        assert low.high is not None
        assert high.low > low.high
    assert finding(good, "deletion_gain").low == pytest.approx(0.2, abs=0.2)
    unfooled = finding(bad, "deletion_gain", "occlusion").low
    assert unfooled is not None
    assert unfooled > 0  # occlusion takes whole steps, ripples do not mislead it much


def test_gain_is_the_difference_of_the_areas_of_the_curves():
    outcome = measured(CHECK, sound())
    for name, sign in (("deletion", -1), ("insertion", 1)):
        curve = outcome.evidence[name]
        assert isinstance(curve, Curve)
        area = {
            line.name: np.trapezoid([y for y in line.y if y is not None], line.x)
            for line in curve.series
        }
        for method in DEFAULT:
            expected = sign * (area[method.replace("-", " ")] - area["random order"])
            gain = finding(outcome, f"{name}_gain", method).value
            assert gain == pytest.approx(expected, abs=1e-4)


def test_insertion_starts_where_deletion_ends_and_beats_chance_on_a_linear_model():
    outcome = measured(CHECK, sound())
    falling, rising = outcome.evidence["deletion"], outcome.evidence["insertion"]
    assert isinstance(falling, Curve)
    assert isinstance(rising, Curve)
    for fall, rise in zip(falling.series, rising.series, strict=True):
        assert fall.y[0] == pytest.approx(rise.y[-1], abs=1e-5), "everything is there"
        assert fall.y[-1] == pytest.approx(rise.y[0], abs=1e-5), "nothing is there"
    gain = finding(outcome, "insertion_gain")
    assert gain.low is not None
    assert gain.low > 0  # for a linear model the order of the scores is the best there is
    assert gain.controls == finding(outcome, "deletion_gain").controls


def test_controls_score_as_they_must():
    subject = Subject(small_cnn(), image_data(noise(40, 1, 8, 8), [0] * 40, classes="012"))
    rows = table(measured(AttributionTrust(steps=4, grid=4), subject))
    similarity = "similarity to the map of a random model"
    assert rows["edges (no model)"][similarity] == 1.0
    assert rows["random scores (no model)"][similarity] == pytest.approx(0, abs=0.1)
    assert rows["random scores (no model)"]["deletion gain"] == pytest.approx(0, abs=0.01)
    assert float(str(rows["integrated gradients"]["deletion gain"])) > 0
    assert float(str(rows["integrated gradients"][similarity])) < 0.6  # it sees the weights


def test_a_random_map_has_no_gain(monkeypatch: pytest.MonkeyPatch):
    """Where maps are replaced by noise, the findings fall to chance."""
    rng = np.random.default_rng(0)

    def meaningless(probe: Probe, method: str, effort: Effort) -> Map:
        return Map(rng.random(probe.shape), False)

    monkeypatch.setattr(_trust_maps, "map_of", meaningless)
    outcome = measured(AttributionTrust(max_inputs=40, costly_inputs=0), sound())
    for method in DEFAULT:
        one = finding(outcome, "deletion_gain", method)
        assert one.low is not None
        assert one.high is not None
        assert one.low < 0 < one.high


def test_region_that_decides_gets_all_mass_and_the_rest_none():
    subject = sound()
    decides = np.zeros((40, 4, 4), dtype=bool)
    decides[:, :, :2] = True
    images = torch.from_numpy(np.asarray(subject.data.read(slice(None))))
    for masks, expected in ((decides, 1.0), (~decides, 0.0)):
        data = image_data(images, subject.data.labels.tolist(), masks=masks)
        outcome = measured(CHECK, Subject(subject.model, data))
        for method in DEFAULT:
            for metric in ("relevance_mass", "relevance_rank_accuracy"):
                assert finding(outcome, metric, method).value == pytest.approx(expected, abs=1e-5)
            gain = finding(outcome, "relevance_gain", method)
            assert gain.value == pytest.approx(expected - 0.5, abs=1e-5)
            assert gain.controls[0] == (
                f"attribution-trust/randomisation_similarity/all/method={method}"
            )
        rows = table(outcome)
        assert rows["expected by chance"]["relevance mass"] == 0.5
        random = rows["random scores (no model)"]["relevance rank accuracy"]
        assert random == pytest.approx(0.5, abs=0.15)


def test_regions_that_leave_nothing_out_are_undefined():
    subject = sound()
    images = torch.from_numpy(np.asarray(subject.data.read(slice(None))))
    masks = np.ones((40, 4, 4), dtype=bool)
    data = image_data(images, subject.data.labels.tolist(), masks=masks)
    one = finding(measured(CHECK, Subject(subject.model, data)), "relevance_mass")
    assert one.value is None
    assert one.undefined is not None


def test_texts_whose_rationale_decides_are_hits_and_others_are_not():
    for reads, rate in ((True, 1.0), (False, 0.0)):
        outcome = measured(CHECK, opinions(reads_rationale=reads))
        for method in ("integrated-gradients", "occlusion"):
            hit, gain = (
                finding(outcome, m, method) for m in ("rationale_hit_rate", "rationale_gain")
            )
            assert (hit.value, hit.n, hit.interval) == (rate, 24, "clopper-pearson")
            assert gain.value == pytest.approx(rate - 1 / 6, abs=1e-9)
        assert not any("relevance" in one.metric for one in outcome.findings)
        assert table(outcome)["token length (no model)"][
            "similarity to the map of a random model"
        ] in (1.0, None)
        high = finding(outcome, "deletion_gain").low
        assert high is not None
        assert high > 0
        shown = outcome.evidence["random"]
        assert isinstance(shown, TextExhibit)
        tokens = shown.rows[0].tokens
        assert sum(token.gold for token in tokens) == 1
        top = max(tokens, key=lambda token: token.weight or 0)
        assert top.gold == reads


def test_texts_without_rationale_or_tokens_are_left_out():
    subject = opinions(reads_rationale=True)
    texts = subject.data.read(slice(None))
    assert isinstance(texts, list)
    labels = subject.data.labels.tolist()
    assert subject.data.relevance(slice(0, 1)) is not None
    plain = Subject(subject.model, text_data(["", *texts], [0, *labels]))
    outcome = measured(AttributionTrust(max_inputs=31, steps=2), plain)
    assert {one.metric for one in outcome.findings} == {
        "deletion_gain", "insertion_gain", "gain_over_modelless", "set_correlation",
        "comprehensiveness", "sufficiency", "infidelity", "randomisation_similarity",
        "cascading_similarity", "completeness_error",
    }  # fmt: skip
    assert finding(outcome, "deletion_gain").n == 30


@pytest.mark.parametrize("make", [broken, lambda: opinions(reads_rationale=True)])
def test_shards_do_not_matter(make):
    whole, parts = measured(CHECK, make()), measured(CHECK, make(), shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_it_explains_at_most_so_many_inputs_and_says_so():
    subject = sound()
    outcome = measured(AttributionTrust(max_inputs=11, steps=2), subject)
    few = ("road_morf_gain", "road_lerf_gain", "cascading_similarity")
    some = (*few, "relative_output_stability")  # not where all inputs nearby are of another class
    assert {one.n for one in outcome.findings if one.metric not in some} == {11}
    everything = measured(AttributionTrust(max_inputs=1000, steps=2), subject)
    assert {one.n for one in everything.findings if one.metric not in some} == {40}
    assert {one.n for one in everything.findings if one.metric in few} == {8}
    other = measured(AttributionTrust(max_inputs=11, steps=2), subject, seed=1)
    assert values(other) != values(outcome)  # another seed draws other inputs


def test_findings_name_controls_and_evidence_that_exist():
    for subject in (sound(), opinions(reads_rationale=True)):
        outcome = measured(CHECK, subject)
        ids = {one.id for one in outcome.findings}
        assert len(ids) == len(outcome.findings)
        for one in outcome.findings:
            assert {name for name in one.controls if not name.startswith("preflight/")} <= ids
            assert set(one.evidence) <= outcome.evidence.keys()
        untouched = [f"preflight/{one}_share/all" for one in ("changed_answer", "left_behind")]
        own = "attribution-trust/randomisation_similarity/all/method="
        assert finding(outcome, "deletion_gain").controls == [
            f"{own}integrated-gradients",
            *untouched,
            "preflight/path_error/all",
        ]
        assert finding(outcome, "deletion_gain", "occlusion").controls == [
            f"{own}occlusion",
            *untouched,
        ]


def test_galleries_show_the_least_faithful_maps_first():
    shown = measured(CHECK, sound()).evidence["worst"]
    assert isinstance(shown, ImageExhibit)
    assert len(shown.rows) == 6
    gains = [float(row.caption.split("gradients: ")[1].split(";")[0]) for row in shown.rows]
    assert gains == sorted(gains)
    assert "completeness error: under 0.1 %. Reference: its mean colour." in shown.rows[0].caption
    assert [panel.label for panel in shown.rows[0].panels] == [
        "input", "integrated gradients", "occlusion", "gradient",
    ]  # fmt: skip


class Constant(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 2)


class Stepped(nn.Module):
    """Its slope is zero everywhere, its predictions are not constant."""

    def forward(self, images: Tensor) -> Tensor:
        bright = (images > 0.5).float().flatten(1).mean(dim=1)
        return torch.stack([1 - bright, bright], dim=1) * 9


class Cornered(nn.Module):
    """The slope of the root is infinite at zero."""

    def forward(self, images: Tensor) -> Tensor:
        score = (images * 0).flatten(1).sum(dim=1).sqrt()
        return torch.stack([score, -score], dim=1)


@pytest.mark.parametrize("kind", [Constant, Cornered])
def test_maps_that_rank_nothing_are_undefined(kind: type[nn.Module]):
    model = ImageClassifier(kind(), classes=("0", "1"), input_shape=(1, 4, 4))
    outcome = measured(CHECK, Subject(model, image_data(noise(8, 1, 4, 4), [0] * 8)))
    for one in of_methods(outcome):
        assert one.value is None
        assert one.undefined is not None
        assert "only 0 of 8" in one.undefined  # as many as the costly measures take
        assert one.n == 8
    assert "worst" not in outcome.evidence


def test_a_model_without_slope_is_explained_by_occlusion_alone():
    model = ImageClassifier(Stepped(), classes=("0", "1"), input_shape=(1, 4, 4))
    subject = Subject(model, image_data(noise(20, 1, 4, 4), [0] * 20))
    outcome = measured(CHECK, subject)
    assert finding(outcome, "deletion_gain", "gradient").value is None
    assert (finding(outcome, "deletion_gain", "occlusion").value or 0) > 0

    model.differentiable = False
    assert {one.params["method"] for one in of_methods(measured(CHECK, subject))} == {"occlusion"}
    only_slopes = AttributionTrust(methods=("gradient",))
    assert isinstance(only_slopes.applies(model, subject.data), NotApplicable)
    assert CHECK.applies(model, subject.data) is None


def test_one_class_has_nothing_to_decide():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    model = ImageClassifier(net, classes=("only",), input_shape=(1, 4, 4))
    data = image_data(noise(8, 1, 4, 4), [0] * 8, classes=("only",))
    assert finding(measured(CHECK, Subject(model, data)), "deletion_gain").value is None


@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_model_is_left_as_it_was(modality: str, monkeypatch: pytest.MonkeyPatch):
    subject = opinions(reads_rationale=True)
    if modality == "image":
        images = noise(6, 1, 8, 8)
        subject = Subject(small_cnn(), image_data(images, [0] * 6, classes="012"))
    elif isinstance(subject.model, TextClassifier):
        model = word_model(["good", "bad"], kind=Attentive)
        subject = Subject(model, subject.data)
    before = state_of(subject.model.module)
    measured(AttributionTrust(max_inputs=4, steps=2), subject)
    assert_untouched(subject.model.module, before)

    def breaks(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(_trust_removal, "_curves", breaks)
    with pytest.raises(RuntimeError, match="in the middle"):
        measured(AttributionTrust(max_inputs=4, steps=2), subject)
    assert_untouched(subject.model.module, before)


def test_batches_are_bounded():
    seen: list[int] = []
    subject = sound()
    subject.model.module.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    execution = Execution(batch_size=5, shard_size=5)
    measured(AttributionTrust(max_inputs=6), subject, execution=execution, shard_size=5)
    assert max(seen) == 5


def test_batches_of_maps_fit_into_memory(monkeypatch: pytest.MonkeyPatch):
    subject = sound()
    per_input = bytes_per_input(subject.model, torch.as_tensor(subject.data.read(slice(0, 2))))

    def batch_size(room: int) -> int:
        monkeypatch.setattr(_probes, "_MEMORY", room)
        artifacts = Artifacts(subject.model, subject.data, np.arange(2), execution=Execution())
        return probe_of(artifacts, 0, grid=4).batch_size

    assert batch_size(5 * per_input) == 4
    assert batch_size(1) == 1
    assert batch_size(2 << 30) == Execution().batch_size
    subject.model.differentiable = False  # it runs elsewhere
    assert batch_size(1) == Execution().batch_size


@pytest.mark.parametrize(
    ("parameters", "seen"),
    [
        ({"max_inputs": 1}, "max_inputs is 1"),
        ({"steps": 0}, "steps is 0"),
        ({"grid": 1}, "grid is 1"),
        ({"copies": 0}, "copies is 0"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"costly_inputs": -1}, "costly_inputs is -1"),
        ({"sets": 1}, "sets is 1"),
        ({"deletion_steps": 1}, "deletion_steps is 1"),
        ({"reference": "blackish"}, "reference is 'blackish'"),
        ({"methods": ()}, "methods is ()"),
        ({"methods": ("gradient", "gradient")}, "once"),
        ({"methods": ("gradients",)}, "Did you mean 'gradient'"),
    ],
)
def test_parameters_outside_their_range_are_refused(parameters: dict, seen: str):
    with pytest.raises(ConfigError) as error:
        AttributionTrust(**parameters)
    assert seen in str(error.value)


@pytest.mark.parametrize(
    "make", [sound, lambda: opinions(reads_rationale=True), table_subject, graph_subject]
)
def test_every_method_that_applies_explains_every_modality(make):
    subject = make()
    check = AttributionTrust(methods=tuple(METHODS), max_inputs=6, steps=4, copies=2, sets=20)
    outcome = measured(check, subject)
    usable = {one for one in METHODS if why_not(one, subject.model) is None}
    assert {one.params["method"] for one in of_methods(outcome)} == usable
    assert len(usable) >= 9
    for method in ("integrated-gradients", "occlusion", "shapley-sampling"):
        assert finding(outcome, "deletion_gain", method).n >= 2  # others are like the reference


def test_on_a_linear_model_summed_scores_say_how_far_the_score_falls():
    outcome = measured(CHECK, sound())
    assert finding(outcome, "set_correlation").value == pytest.approx(1, abs=1e-5)
    random = table(outcome)["random scores (no model)"]["faithfulness correlation"]
    assert abs(float(str(random))) < 0.2  # 24 inputs with 32 sets each
    fooled = finding(measured(CHECK, broken()), "set_correlation", "gradient").high
    assert fooled is not None
    assert fooled < 0.9


def test_gain_over_a_map_without_a_model_is_the_difference_of_their_gains():
    outcome = measured(CHECK, sound())
    rows = table(outcome)
    plain = max(
        float(str(rows[f"{name} (no model)"]["deletion gain"])) for name in ("edges", "centre")
    )
    for method in DEFAULT:
        gain = finding(outcome, "deletion_gain", method).value
        over = finding(outcome, "gain_over_modelless", method).value
        assert gain is not None
        assert over == pytest.approx(gain - plain, abs=1e-4)
        assert finding(outcome, "gain_over_modelless", method).controls


def test_agreement_is_shown_and_is_no_finding():
    outcome = measured(CHECK, sound())
    shown = outcome.evidence["agreement"]
    assert isinstance(shown, Matrix)
    assert shown.rows == shown.columns
    for i in range(len(shown.rows)):
        assert shown.values[i][i] == 1.0
        assert [row[i] for row in shown.values] == shown.values[i]
    assert shown.values[0][1] == pytest.approx(1, abs=0.02)  # IG and occlusion: linear
    assert not any("agreement" in one.metric for one in outcome.findings)


def test_pointing_hits_count_the_highest_score_alone():
    subject = sound()
    decides = np.zeros((40, 4, 4), dtype=bool)
    decides[:, :, :2] = True
    images = torch.from_numpy(np.asarray(subject.data.read(slice(None))))
    data = image_data(images, subject.data.labels.tolist(), masks=decides)
    hit = finding(measured(CHECK, Subject(subject.model, data)), "pointing_hit_rate")
    assert (hit.value, hit.n, hit.interval) == (1.0, 24, "clopper-pearson")


def test_rows_and_graphs_are_shown_in_words():
    shown = measured(AttributionTrust(max_inputs=4, steps=2), table_subject()).evidence["random"]
    assert isinstance(shown, TextExhibit)
    names = table_subject().model.schema.names  # type: ignore[attr-defined]
    assert [one.text.split(" ")[0] for one in shown.rows[0].tokens] == [
        name.split(" ")[0] for name in names
    ]
    graphs = measured(AttributionTrust(max_inputs=4, steps=2), graph_subject()).evidence["random"]
    assert isinstance(graphs, TextExhibit)
    assert graphs.rows[0].tokens[0].text.startswith("1 ")


def test_stability_of_a_linear_model():
    check = AttributionTrust(
        methods=("gradient", "integrated-gradients", "shapley-sampling", "rise"),
        max_inputs=12,
        steps=2,
        sets=20,
    )
    outcome = measured(check, sound())
    assert finding(outcome, "max_sensitivity", "gradient").value == pytest.approx(0, abs=1e-6)
    moved = finding(outcome, "max_sensitivity").value
    assert moved is not None
    assert 0 < moved < 0.2  # a fiftieth, where pixels are about .3 from the mean
    same = finding(outcome, "seed_similarity", "shapley-sampling").value
    assert same == pytest.approx(1, abs=0.02)  # fair shares of a sum are its terms, but for ties
    lucky = finding(outcome, "seed_similarity", "rise").high
    assert lucky is not None
    assert lucky < 0.9  # 20 random sets of 16 cells
    drawn = {one.params["method"] for one in outcome.findings if one.metric == "seed_similarity"}
    assert drawn == {"shapley-sampling", "rise"}


def test_a_reference_that_is_chosen_otherwise_is_held_against_the_first():
    check = AttributionTrust(methods=("occlusion", "gradient"), max_inputs=12, reference="middle")
    outcome = measured(check, sound())
    referred = [one for one in outcome.findings if one.metric == "reference_similarity"]
    assert [one.params["method"] for one in referred] == ["occlusion"]
    assert referred[0].value is not None
    assert 0.5 < referred[0].value < 1  # grey and the mean colour are nearly the same


def test_texts_and_graphs_have_no_neighbours():
    for subject in (opinions(reads_rationale=True), graph_subject()):
        found = {one.metric for one in measured(CHECK, subject).findings}
        assert not found & {"max_sensitivity", "relative_output_stability", "reference_similarity"}
    tables = {one.metric for one in measured(CHECK, table_subject()).findings}
    assert "max_sensitivity" in tables
    assert "reference_similarity" not in tables


def test_a_method_that_does_not_suit_the_network_says_why():
    check = AttributionTrust(methods=("attention-rollout", "occlusion"), max_inputs=6)
    outcome = measured(check, sound())
    missing = finding(outcome, "deletion_gain", "attention-rollout")
    assert missing.value is None
    assert missing.undefined is not None
    assert "attention" in missing.undefined
    assert finding(outcome, "deletion_gain", "occlusion").value is not None
    shown = outcome.evidence["random"]
    assert isinstance(shown, ImageExhibit)
    assert [panel.label for panel in shown.rows[0].panels] == ["input", "occlusion"]


@pytest.mark.parametrize(
    ("name", "unsuited"),
    [
        ("digits-vit", set()),
        ("digits-cnn", {"attention-rollout", "gradient-weighted-attention"}),
        ("phrases-transformer", set()),
    ],
)
def test_networks_get_a_map_from_each_method_or_a_reason(name: str, unsuited: set[str]):
    model = load_model(ModelSpec(source=name, device="cpu"))
    data = load_data(DataSpec(source=model.identity.data or "digits"), model).sample(2, seed=0)
    check = AttributionTrust(
        methods=tuple(METHODS), steps=4, copies=2, sets=20, neighbours=1, deletion_steps=4
    )
    outcome = measured(check, Subject(model, data))
    usable = {one for one in METHODS if why_not(one, model) is None}
    found = [one for one in of_methods(outcome) if one.metric == "deletion_gain"]
    gains = {one.params["method"]: one for one in found}
    assert gains.keys() == usable
    assert {one for one, found in gains.items() if found.value is None} == unsuited
    assert all("attention" in (gains[one].undefined or "") for one in unsuited)


def test_maps_of_a_linear_model_are_trustworthy_and_controls_are_not():
    words = words_for(measured(AttributionTrust(max_inputs=48, costly_inputs=0), sound()))
    assert words["integrated-gradients"] == words["occlusion"] == "trustworthy"
    assert words["edges"] == words["centre"] == "not informative"
    assert words["random"] != "trustworthy"


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_an_edge_detector_is_not_informative_on_any_network_of_images(name: str):
    model = load_model(ModelSpec(source=name, device="cpu"))
    data = load_data(DataSpec(source=model.identity.data or "digits"), model).sample(24, seed=0)
    check = AttributionTrust(methods=("gradient",), max_inputs=24, costly_inputs=0, neighbours=1)
    words = words_for(measured(check, Subject(model, data)))
    assert words["edges"] == words["centre"] == "not informative"
    assert words["random"] != "trustworthy"


class Ends(nn.Module):
    """Two features of the image, and a linear layer that weighs them."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = nn.Linear(16, 2, bias=False)
        self.weigh = nn.Linear(2, 2, bias=False)
        left = torch.zeros(4, 4)
        left[:, :2] = torch.arange(1.0, 9.0).view(4, 2)
        with torch.no_grad():
            self.halves.weight.copy_(torch.stack([left, left.flip(1)]).flatten(1))
            self.weigh.weight.copy_(torch.tensor([[5.0, 0.1], [-5.0, -0.1]]))

    def forward(self, images: Tensor) -> Tensor:
        return self.weigh(self.halves(images.flatten(1)))


def test_layers_are_randomised_from_the_output_down():
    """Of two layers each takes two of the four stages, and the last is the control's model."""
    model = ImageClassifier(Ends(), classes=("0", "1"), input_shape=(1, 4, 4))
    subject = Subject(model, image_data(noise(30, 1, 4, 4), [0] * 30))
    before = state_of(model.module)
    outcome = measured(AttributionTrust(grid=4, max_inputs=20, costly_inputs=20), subject)
    assert_untouched(model.module, before)
    shown = outcome.evidence["cascade"]
    assert isinstance(shown, Curve)
    lines = {line.name: line.y for line in shown.series}
    for line in shown.series:  # what is 1 whatever the inputs are has no interval
        assert line.low is not None
        sure = line.name in ("edges (no model)", "centre (no model)")
        assert [one is None for one in line.low] == [True, *[sure] * 4]
    assert lines["edges (no model)"] == lines["centre (no model)"] == [1.0] * 5
    for method in DEFAULT:
        name = method.replace("-", " ")
        start, *stages = (y for y in lines[name] if y is not None)
        assert start == 1
        assert stages[0] == stages[1]
        assert stages[2] == stages[3] < stages[0] - 0.1  # the weights of one half, in the end none
        full = finding(outcome, "randomisation_similarity", method).value
        assert stages[3] == pytest.approx(full, abs=1e-5)
        mean = finding(outcome, "cascading_similarity", method)
        assert mean.value == pytest.approx(np.mean(stages), abs=1e-5)
        assert mean.n == 20


def test_road_and_infidelity_of_a_linear_model_know_its_terms():
    outcome = measured(AttributionTrust(max_inputs=24, costly_inputs=24), sound())
    rows = table(outcome)
    orders = ("ROAD gain, most relevant first", "ROAD gain, least relevant first")
    for key, order in zip(("road_morf_gain", "road_lerf_gain"), orders, strict=True):
        one = finding(outcome, key)
        assert one.low is not None
        assert one.low > 0
        assert float(str(rows["random scores (no model)"][order])) == pytest.approx(0, abs=0.05)
        assert rows["expected by chance"][order] == 0
        assert one.controls == finding(outcome, "deletion_gain").controls
    assert finding(outcome, "infidelity").value == pytest.approx(0, abs=1e-6)
    assert 0.3 < float(str(rows["random scores (no model)"]["infidelity"])) <= 1
    fooled = finding(measured(CHECK, broken()), "infidelity", "gradient").low
    assert fooled is not None
    assert fooled > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_costly_measures_are_shared_evenly_by_shards(seed: int):
    subject = sound()
    check = AttributionTrust(methods=("gradient",), max_inputs=32, costly_inputs=8, neighbours=1)
    assert len(subject.data) == 40
    everything = Artifacts(subject.model, subject.data, np.arange(40), seed=seed)
    drawn = np.flatnonzero(everything.drawn("attribution-trust", 32))
    quarters = [
        check.measure(everything.at(positions))["costly"]
        for positions in (drawn[:8], drawn[8:16], drawn[16:24], drawn[24:])
    ]
    assert [int(one.sum()) for one in quarters] == [2, 2, 2, 2]
    whole = check.measure(everything)
    assert whole["drawn"].sum() == 32
    assert (whole["costly"][drawn] == np.concatenate(quarters)).all()


def test_costly_measures_can_be_left_out():
    outcome = measured(AttributionTrust(max_inputs=8, costly_inputs=0), sound())
    metrics = {one.metric for one in outcome.findings}
    assert not metrics & {"road_morf_gain", "road_lerf_gain", "cascading_similarity"}
    assert "cascade" not in outcome.evidence
    assert "infidelity" in metrics


def test_rationales_of_texts_that_decide_are_comprehensive_and_sufficient():
    good = measured(CHECK, opinions(reads_rationale=True))
    rows = table(good)
    for method in ("integrated-gradients", "occlusion"):
        named = method.replace("-", " ")
        random = rows["random scores (no model)"]
        taken = finding(good, "comprehensiveness", method)
        assert taken.value == pytest.approx(rows[named]["comprehensiveness"], abs=1e-4)
        assert (taken.value or 0) > 0.3 > float(str(random["comprehensiveness"]))
        left = finding(good, "sufficiency", method).value
        assert left == pytest.approx(0, abs=1e-6)  # one word says it all
        assert float(str(random["sufficiency"])) > 0.2
    images = {one.metric for one in measured(CHECK, sound()).findings}
    assert not images & {"comprehensiveness", "sufficiency"}


def test_maps_made_without_the_model_have_the_names_that_the_summary_looks_for():
    makers = (sound, lambda: opinions(reads_rationale=True), table_subject, graph_subject)
    for make in makers:
        subject = make()
        artifacts = Artifacts(subject.model, subject.data, np.arange(2), execution=Execution())
        found = probe_of(artifacts, 0, grid=4).modelless()
        assert tuple(found) == _trust_maps.MODELLESS[subject.model.modality]
