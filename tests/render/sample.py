"""Results written by hand, with every kind of evidence, status and verdict; no model was run."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

from PIL import Image

from auditkit.findings import (
    Bar,
    Bars,
    Curve,
    Evidence,
    Finding,
    Heatmap,
    ImageExhibit,
    ImageRow,
    Matrix,
    Metric,
    Note,
    Outcome,
    Picture,
    Series,
    Table,
    TextExhibit,
    TextRow,
    Token,
    finding_id,
)
from auditkit.result import (
    DataFacts,
    Execution,
    Judgement,
    ModelFacts,
    Provenance,
    Rated,
    RecordsFile,
    Result,
    SliceFacts,
    Verdict,
    Waived,
)
from auditkit.statistics import clopper_pearson
from auditkit.types import Better, Params

EPSILONS = (0.0, 0.05, 0.1, 0.2)


def share(
    check: str,
    metric: str,
    count: int,
    n: int,
    *,
    better: Better = "higher",
    slice_name: str = "all",
    swept: Params | None = None,
    fixed: Params | None = None,
    evidence: Sequence[str] = (),
) -> Finding:
    """Return a share with its Clopper-Pearson interval, rounded so that it reads well in a diff."""
    low, high = clopper_pearson(count, n)
    return Finding(
        id=finding_id(check, metric, slice_name, swept or {}),
        metric=metric,
        value=round(count / n, 6),
        unit="share",
        n=n,
        low=round(low, 6),
        high=round(high, 6),
        level=0.95,
        interval="clopper-pearson",
        better=better,
        slice=slice_name,
        params={**(fixed or {}), **(swept or {})},
        evidence=list(evidence),
    )


def value(
    check: str,
    metric: str,
    number: float | None,
    interval: tuple[float, float] | None,
    *,
    n: int,
    unit: str,
    better: Better = "lower",
    method: str = "bootstrap",
    slice_name: str = "all",
    swept: Params | None = None,
    evidence: Sequence[str] = (),
    undefined: str | None = None,
) -> Finding:
    """Return a finding that is not a share."""
    low, high = interval or (None, None)
    return Finding(
        id=finding_id(check, metric, slice_name, swept or {}),
        metric=metric,
        value=number,
        unit=unit,
        n=n,
        low=low,
        high=high,
        level=0.95,
        interval=method if interval else "none",
        better=better,
        slice=slice_name,
        params=swept or {},
        evidence=list(evidence),
        undefined=undefined,
    )


# --- pictures ------------------------------------------------------------------------------------


def digit(shift: float = 0.0, size: int = 8) -> list[list[float]]:
    """Return the grey levels in [0, 1] of a ring, moved to the right by `shift`."""
    middle = (size - 1) / 2
    return [
        [
            max(0.0, 1 - abs(math.hypot(x - middle - shift, (y - middle) * 0.8) - size / 3.2) / 1.4)
            for x in range(size)
        ]
        for y in range(size)
    ]


def noisy(image: list[list[float]], epsilon: float) -> list[list[float]]:
    """Return the image moved by epsilon up or down per pixel, in [0, 1]."""
    return [
        [
            min(1.0, max(0.0, grey + epsilon * (1 if (3 * x + 5 * y) % 7 < 3 else -1)))
            for x, grey in enumerate(row)
        ]
        for y, row in enumerate(image)
    ]


def png(image: list[list[float]]) -> str:
    """Return a grey image as base64 PNG."""
    picture = Image.new("L", (len(image[0]), len(image)))
    picture.putdata([round(255 * grey) for row in image for grey in row])
    file = io.BytesIO()
    picture.save(file, format="PNG", compress_level=0)
    return base64.b64encode(file.getvalue()).decode()


def difference(clean: list[list[float]], moved: list[list[float]]) -> list[list[float]]:
    """Return moved minus clean."""
    return [
        [round(b - a, 4) for a, b in zip(x, y, strict=True)]
        for x, y in zip(clean, moved, strict=True)
    ]


def relevance(size: int = 8, *, signed: bool) -> list[list[float]]:
    """Return a map with a peak on the left and, where signed, a trough on the right."""
    return [
        [
            round(
                math.exp(-((x - size / 3.5) ** 2 + (y - size / 2) ** 2) / 4)
                - (0.6 * math.exp(-((x - size / 1.3) ** 2 + (y - size / 3) ** 2) / 3) * signed),
                4,
            )
            for x in range(size)
        ]
        for y in range(size)
    ]


# --- an audit of an image classifier -------------------------------------------------------------

DIGITS = [str(i) for i in range(10)]


def clean_accuracy() -> Outcome:
    """A passed check with a matrix and an undefined finding."""
    check = "clean-accuracy"
    matrix = [[19 if i == j else 0 for j in range(10)] for i in range(10)]
    matrix[3][8], matrix[8][1], matrix[9][7], matrix[1][1] = 2, 3, 1, 23
    return Outcome(
        check=check,
        version=1,
        family="performance",
        question="How often is the model right on data like its training data?",
        explanation="Every input is classified once, without any change. Each class counts alike in"
        " balanced accuracy.",
        not_shown="Accuracy on one test set says nothing about other data, and a high mean can hide"
        " a class that is always wrong.",
        remedy="Look at the confused pairs first: wrong labels and too few examples are the usual"
        " causes.",
        references=["Brodersen et al., 2010, The balanced accuracy and its posterior distribution"],
        metrics={
            "accuracy": Metric(
                label="accuracy", definition="Correct inputs in all inputs.", unit="share",
                better="higher",
            ),
            "recall": Metric(
                label="recall", definition="Correct inputs of a class in all inputs of the class.",
                unit="share", better="higher",
            ),
        },
        status="measured",
        seconds=0.4,
        headline=f"{check}/accuracy/all",
        findings=[
            share(check, "accuracy", 194, 200, evidence=["confusion"]),
            *(
                share(check, "recall", 19 - (i in (3, 8)), 20, slice_name=f"class={i}",
                      evidence=["recall"])
                for i in range(9)
            ),
            value(check, "recall", None, None, n=0, unit="share", better="higher",
                  slice_name="class=9", undefined="no input belongs to its denominator"),
        ],
        evidence={
            "confusion": Matrix(
                title="Confusion matrix", row_label="true class", column_label="predicted class",
                rows=DIGITS, columns=DIGITS, values=[list(row) for row in matrix], unit="inputs",
            ),
            "recall": Bars(
                title="Recall per class", value_label="recall",
                bars=[
                    *(
                        Bar(label=str(i), value=(19 - (i in (3, 8))) / 20, n=20,
                            low=0.751 if i not in (3, 8) else 0.683,
                            high=0.999 if i not in (3, 8) else 0.988)
                        for i in range(9)
                    ),
                    Bar(label="9", value=None, n=0),
                ],
            ),
        },
    )  # fmt: skip


def pgd() -> Outcome:
    """A failed check with a curve, a histogram, a gallery and a note."""
    check = "pgd-linf"
    kept = {0.0: 194, 0.05: 142, 0.1: 61, 0.2: 4}
    fixed: Params = {"steps": 40, "restarts": 1}
    intervals = {e: clopper_pearson(k, 200) for e, k in kept.items()}
    rows = [
        ImageRow(
            id=f"test/{i:04d}.png",
            caption=f"true {t}, was {t} (98.1 %), became {p} (91.4 %) at epsilon 0.1",
            panels=[
                Picture(label="input", png=png(digit(shift))),
                Picture(label="perturbed", png=png(noisy(digit(shift), 0.1))),
                Heatmap(
                    label="difference",
                    values=difference(digit(shift), noisy(digit(shift), 0.1)),
                    signed=True,
                ),
            ],
        )
        for i, t, p, shift in ((17, 0, 8, 0.0), (42, 0, 6, 0.8), (113, 0, 9, -0.7))
    ]
    return Outcome(
        check=check,
        version=2,
        family="robustness",
        question="Do predictions survive small worst-case pixel changes?",
        explanation="For each input a pixel pattern is searched that fools the model, with gradient"
        " steps inside a ball of radius epsilon around the input.",
        not_shown="This is an upper bound: a stronger attack can only lower it. Changes other than"
        " small pixel noise are not covered.",
        remedy="Train on adversarial examples, or state the radius up to which the model may be"
        " relied on.",
        references=["Madry et al., 2018, arXiv:1706.06083"],
        metrics={
            "robust_accuracy": Metric(
                label="robust accuracy",
                definition="Inputs still correct under attack, in all inputs.",
                unit="share",
                better="higher",
            ),
            "attack_success_rate": Metric(
                label="attack success rate",
                definition="Inputs that flip, in the initially correct inputs.",
                unit="share",
                better="lower",
            ),
            "distance": Metric(
                label="median smallest distance",
                definition="Median over inputs of the smallest radius that flips them.",
                unit="input units",
                better="higher",
            ),
        },
        status="measured",
        seconds=21.3,
        headline=f"{check}/robust_accuracy/all/epsilon=0.1",
        findings=[
            *(
                share(check, "robust_accuracy", k, 200, swept={"epsilon": e}, fixed=fixed,
                      evidence=["curve", "worst"])
                for e, k in kept.items()
            ),
            *(
                share(check, "attack_success_rate", 194 - k, 194, better="lower",
                      swept={"epsilon": e}, fixed=fixed, evidence=["curve"])
                for e, k in kept.items()
            ),
            value(check, "distance", 0.0713, (0.0661, 0.0764), n=194, unit="input units",
                  better="higher"),
        ],
        evidence={
            "curve": Curve(
                title="Accuracy under attack",
                x_label="epsilon, in pixel units from 0 to 1",
                y_label="robust accuracy",
                series=[
                    Series(
                        name="PGD, 40 steps",
                        x=list(EPSILONS),
                        y=[k / 200 for k in kept.values()],
                        low=[round(intervals[e].low, 4) for e in EPSILONS],
                        high=[round(intervals[e].high, 4) for e in EPSILONS],
                    ),
                    Series(name="random noise of the same size", x=list(EPSILONS),
                           y=[0.97, 0.965, 0.96, None]),
                ],
            ),
            "distances": Bars(
                title="Smallest radius that flips an input",
                value_label="inputs",
                bars=[
                    Bar(label=label, value=n)
                    for label, n in (
                        ("0 to 0.025", 12), ("0.025 to 0.05", 40), ("0.05 to 0.075", 61),
                        ("0.075 to 0.1", 20), ("0.1 to 0.2", 57), ("above 0.2", 4),
                    )
                ],
            ),
            "worst": ImageExhibit(title="Inputs that flip", selection="worst", rows=rows),
            "bound": Note(
                title="How strong the attack was",
                text="Loss rose on every one of 40 steps; 0 of 9 attack controls failed.",
            ),
        },
    )  # fmt: skip


def corruptions() -> Outcome:
    """A check that no limit names, with a signed matrix and a long table."""
    check = "corruptions"
    names = ["gaussian-noise", "defocus-blur", "brightness", "contrast", "jpeg"]
    kept = [[192 - 9 * (i + 1) * (j + 1) // (1 + (i == 2) * 4) for j in range(5)] for i in range(5)]
    kept = [[max(4, one) for one in row] for row in kept]
    return Outcome(
        check=check,
        version=1,
        family="shift",
        question="How much accuracy is lost under everyday image damage?",
        explanation="Five kinds of damage at five severities, with the published constants.",
        not_shown="Real damage comes in mixtures, and seldom at the same strength everywhere.",
        remedy="Add the damages that matter in your setting to the training augmentation.",
        references=["Hendrycks and Dietterich, 2019, arXiv:1903.12261"],
        metrics={
            "accuracy": Metric(
                label="accuracy under corruption", definition="Correct inputs in all inputs.",
                unit="share", better="higher",
            ),
        },
        status="measured",
        seconds=3.8,
        headline=f"{check}/accuracy/all/corruption=gaussian-noise,severity=3",
        findings=[
            share(check, "accuracy", kept[i][j], 200,
                  swept={"corruption": name, "severity": j + 1}, evidence=["curve"])
            for i, name in enumerate(names)
            for j in range(5)
        ],
        evidence={
            "curve": Curve(
                title="Accuracy by severity", x_label="severity", y_label="accuracy",
                series=[
                    Series(name=name, x=[1, 2, 3, 4, 5], y=[k / 200 for k in kept[i]])
                    for i, name in enumerate(names)
                ],
            ),
            "change": Matrix(
                title="Change against clean accuracy", row_label="corruption",
                column_label="severity", rows=names, columns=["1", "2", "3", "4", "5"],
                values=[
                    [round((k - 194) / 200, 4) if (i, j) != (4, 4) else None
                     for j, k in enumerate(row)]
                    for i, row in enumerate(kept)
                ],
                unit="share",
            ),
            "examples": Table(
                title="Inputs that change class most often",
                columns=["input", "true class", "changes", "share of corruptions", "always wrong"],
                rows=[
                    [f"test/{7 * i:04d}.png", str(i % 10), 25 - i, round((25 - i) / 25, 4), i < 2]
                    for i in range(14)
                ],
                units={"share": ["share of corruptions"]},
            ),
        },
    )  # fmt: skip


def calibration() -> Outcome:
    """A check with a waived limit, a null band and a reliability diagram."""
    check = "calibration-error"
    return Outcome(
        check=check,
        version=1,
        family="calibration",
        question="Does 80 % confidence mean right in 80 % of cases?",
        explanation="Confidence is compared with accuracy in equally filled bins. Even a perfectly"
        " calibrated model shows some error by chance; the range beside the value says how much.",
        not_shown="Calibration on average can hide miscalibrated groups.",
        remedy="Fit a temperature on held-out data.",
        references=["Naeini et al., 2015, AAAI", "Brier, 1950, Monthly Weather Review 78(1)"],
        metrics={
            "ece": Metric(
                label="expected calibration error",
                definition="Mean distance between confidence and accuracy over bins.",
                unit="share", better="lower",
            ),
            "nll": Metric(
                label="negative log-likelihood",
                definition="Mean of minus the log probability of the true class.",
                unit="nats", better="lower",
            ),
        },
        status="measured",
        seconds=0.2,
        headline=f"{check}/ece/all",
        findings=[
            value(check, "ece", 0.0412, (0.0081, 0.0306), n=200, unit="share", method="null-band",
                  evidence=["reliability"]),
            value(check, "nll", 0.1377, (0.0911, 0.1902), n=200, unit="nats"),
        ],
        evidence={
            "reliability": Curve(
                title="Reliability", x_label="confidence", y_label="accuracy", diagonal=True,
                series=[
                    Series(
                        name="bins", x=[0.55, 0.72, 0.86, 0.94, 0.99],
                        y=[0.41, 0.62, 0.8, 0.97, 1.0],
                        low=[0.24, 0.46, 0.66, 0.87, 0.91], high=[0.61, 0.76, 0.9, 0.99, 1.0],
                    )
                ],
            ),
        },
    )  # fmt: skip


def group_gap() -> Outcome:
    """An undecided check with groups."""
    check = "group-gap"
    groups = {"dark": (46, 52), "medium": (94, 96), "bright": (51, 52)}
    return Outcome(
        check=check,
        version=1,
        family="bias",
        question="Are groups treated alike?",
        explanation="Accuracy in each group, and the largest gap with a permutation test.",
        not_shown="Groups that the data does not name cannot be compared. These are derived from"
        " the images, not people.",
        remedy="Collect more examples of the worst group.",
        metrics={
            "accuracy": Metric(
                label="accuracy", definition="Correct inputs of a group in the group.",
                unit="share", better="higher",
            ),
            "gap": Metric(
                label="largest accuracy gap", definition="Best group minus worst group.",
                unit="share", better="lower",
            ),
            "p": Metric(
                label="p-value of any gap", definition="Permutations with a gap as large.",
                unit="p-value", better="neither",
            ),
        },
        status="measured",
        seconds=0.9,
        headline=f"{check}/gap/brightness",
        findings=[
            value(check, "gap", 0.0962, (0.0, 0.2137), n=200, unit="share",
                  slice_name="brightness", evidence=["groups"]),
            value(check, "p", 0.031, None, n=200, unit="p-value", better="neither",
                  slice_name="brightness"),
            *(
                share(check, "accuracy", k, n, slice_name=f"brightness={name}", evidence=["groups"])
                for name, (k, n) in groups.items()
            ),
        ],
        evidence={
            "groups": Bars(
                title="Accuracy by brightness (derived)", value_label="accuracy",
                bars=[
                    Bar(label=name, value=round(k / n, 4), n=n,
                        low=round(clopper_pearson(k, n).low, 4),
                        high=round(clopper_pearson(k, n).high, 4))
                    for name, (k, n) in groups.items()
                ],
            ),
        },
    )  # fmt: skip


def attribution_trust() -> Outcome:
    """A check with maps of both kinds."""
    check = "attribution-trust"
    rows = [
        ImageRow(
            id=f"test/{i:04d}.png",
            caption="explains class 0 against a black reference; delta 0.3 %",
            panels=[
                Picture(label="input", png=png(digit(shift))),
                Heatmap(label="integrated gradients", values=relevance(signed=True), signed=True),
                Heatmap(label="occlusion", values=relevance(signed=False), signed=False),
            ],
        )
        for i, shift in ((3, 0.0), (9, 0.5))
    ]
    return Outcome(
        check=check,
        version=1,
        family="attribution",
        question="What does the model look at, and can the map be trusted?",
        explanation="Maps are compared with a random control and with those of the same network"
        " with random weights.",
        not_shown="A faithful map is not a reason in human terms.",
        remedy="Do not show maps that survive randomised weights.",
        references=["Sundararajan et al., 2017, arXiv:1703.01365"],
        metrics={
            "randomisation_similarity": Metric(
                label="similarity after weight randomisation",
                definition="Mean rank correlation with the map of the randomised network.",
                unit="rank correlation", better="lower",
            ),
        },
        status="measured",
        seconds=4.1,
        headline=f"{check}/randomisation_similarity/all/method=integrated-gradients",
        findings=[
            value(check, "randomisation_similarity", v, i, n=64, unit="rank correlation",
                  swept={"method": m}, evidence=["maps"])
            for m, v, i in (
                ("gradient", 0.312, (0.271, 0.355)),
                ("integrated-gradients", 0.448, (0.402, 0.491)),
                ("occlusion", -0.021, (-0.068, 0.027)),
            )
        ],
        evidence={
            "maps": ImageExhibit(title="Where the model looks", selection="random", rows=rows)
        },
    )  # fmt: skip


def missing() -> list[Outcome]:
    """One check each that errored, was skipped and does not apply."""
    return [
        Outcome(
            check="robustness-curve",
            version=1,
            family="robustness",
            question="How small a change is enough to make it wrong?",
            status="errored",
            reason="RuntimeError: CUDA error: an illegal memory access was encountered\n"
            "  while running 40 steps on shard 3 of 4",
            seconds=1.2,
        ),
        Outcome(
            check="fgsm-linf",
            version=1,
            family="robustness",
            question="Do predictions survive one gradient step?",
            status="skipped",
            reason="the time budget of 60 s was used up",
        ),
        Outcome(
            check="token-swap",
            version=1,
            family="robustness",
            question="Do predictions survive swapped words?",
            status="not_applicable",
            reason="it is about text models",
        ),
    ]


def image_result() -> Result:
    """A failed audit of an image classifier."""
    outcomes = [
        clean_accuracy(), pgd(), *missing(), corruptions(), calibration(), group_gap(),
        attribution_trust(),
    ]  # fmt: skip
    by_id = {one.id: one for outcome in outcomes for one in outcome.findings}

    def judged(limit: str, finding: str, status: str, reason: str, needs: int | None = None):
        found = by_id.get(finding)
        _, sign, bound = limit.split()
        return Judgement(
            limit=limit, finding=finding, status=status, reason=reason,  # pyright: ignore[reportArgumentType]
            low=found.low if found else None, high=found.high if found else None, needs_n=needs,
            place="audit.toml:12" if limit.startswith("robust_accuracy") else None,
            bound=float(bound) if found else None,
            bound_is=({">=": "min", "<=": "max"}[sign] if found else None),  # pyright: ignore[reportArgumentType]
        )  # fmt: skip

    misses, meets = "the whole interval misses the limit", "the whole interval meets the limit"
    return Result(
        schema=1,
        auditkit="0.1.0",
        model=ModelFacts(
            name="digits-cnn",
            sha256="5f2a9c1be07d44a18c3b6f0e92d7c85541d0a3b86e7f21c9984bd0e6a7135f20",
            modality="image",
            architecture="small residual CNN",
            parameters=77_546,
            classes=DIGITS,
            input_shape=[1, 8, 8],
            bounds=[0.0, 1.0],
            card={
                "intended use": "Reading single handwritten digits that were scanned and centred.",
                "trained on": "scikit-learn digits, 1,297 inputs, seed 0",
                "accuracy": "98.2 % on 500 held-out inputs",
                "known flaws": "not trained to resist attacks",
            },
            notes=["The model returns logits."],
        ),
        data=DataFacts(
            name="digits",
            split="test",
            sha256="c1d20b5f7a8849d3b6e04c2f1d9a7e53608fb1247ce390ad5b7f21866e4d0a93",
            n=200,
            available=500,
            classes=dict.fromkeys(DIGITS, 20),
            slices=[
                SliceFacts(
                    name="brightness", sensitive=False, derived=True,
                    groups={"dark": 52, "medium": 96, "bright": 52},
                )
            ],
            notes=["A stratified sample of 200 of 500 inputs, seed 0."],
        ),
        outcomes=outcomes,
        records=RecordsFile(file="records.parquet", sha256="9b" * 32),
        verdict=Verdict(
            status="fail",
            exit_code=1,
            sentence="Fail: 1 of 5 limits are missed. 1 waived.",
            decided_by=[
                judged("robust_accuracy >= 0.5", "pgd-linf/robust_accuracy/all/epsilon=0.1",
                       "fail", misses),
                judged("gap <= 0.15", "group-gap/gap/brightness", "incomplete",
                       "the interval straddles the limit: needs about 940 inputs", 940),
                judged("fgsm-linf is required", "fgsm-linf", "incomplete",
                       "the check fgsm-linf was skipped: the time budget of 60 s was used up"),
            ],
            passed=[judged("accuracy >= 0.9", "clean-accuracy/accuracy/all", "pass", meets)],
            waived=[
                Waived(
                    judgement=judged("ece <= 0.03", "calibration-error/ece/all", "fail", misses),
                    reason="probabilities are not shown to users before the next release",
                    owner="dana@example.org",
                    expires="2031-01-31",
                )
            ],
            notes=[
                "Each of 5 limits passes wrongly with probability at most 0.025; at least one fails"
                " wrongly with probability at most 0.025 (Holm)."
            ],
            ratings=[
                Rated(check="attribution-trust", parameter="method", value="integrated-gradients",
                      word="trustworthy", rank=0),
                Rated(check="attribution-trust", parameter="method", value="occlusion",
                      word="not informative", rank=2,
                      because=[
                          Judgement(
                              limit="randomisation_similarity <= 0.7",
                              finding="attribution-trust/randomisation_similarity/all/"
                              "method=occlusion",
                              status="fail", reason=misses, low=0.81, high=0.93,
                              bound=0.7, bound_is="max",
                          ),
                      ]),
            ],
        ),
        provenance=provenance("audit run digits-cnn --suite quick"),
    )  # fmt: skip


def provenance(command: str) -> Provenance:
    """Return how a sample was made."""
    return Provenance(
        command=command,
        policy={
            "suite": "quick",
            "level": 0.95,
            "limits": [{"finding": "pgd-linf/robust_accuracy/all/epsilon=0.1", "min": 0.5}],
            "required": ["fgsm-linf"],
        },
        suite="quick",
        seed=0,
        started="2030-05-17T09:30:00+00:00",
        seconds=83.4,
        python="3.11.9",
        platform="Linux-6.1-x86_64",
        packages={"torch": "2.13.0", "numpy": "2.3.1", "captum": "0.9.0", "auditkit-ml": "0.1.0"},
        device="cpu",
        dtype="float32",
        workers=1,
        execution=Execution(),
        git="1f0c2a7",
    )


# --- an audit of a text classifier ---------------------------------------------------------------


def tokens(*parts: tuple[str, float | None] | tuple[str, float | None, str]) -> list[Token]:
    """Return tokens from (text, weight) or (text, weight, mark); the mark is `gold` or what was."""
    return [
        Token(
            text=one[0],
            weight=one[1],
            gold=len(one) > 2 and one[2] == "gold",
            was=one[2] if len(one) > 2 and one[2] != "gold" else None,
        )
        for one in parts
    ]


def text_outcomes() -> list[Outcome]:
    """Checks of a text classifier: swapped words and marked tokens."""
    swap = "token-swap"
    attribution = "text-attribution-trust"
    swap_evidence: dict[str, Evidence] = {
        "worst": TextExhibit(
            title="Sentences that flip",
            selection="worst",
            rows=[
                TextRow(
                    id="row 12",
                    caption="true positive, became negative (88.0 %) after one swap",
                    tokens=tokens(
                        ("The", None), (" nurse", None), (" was", None),
                        (" decent", None, " wonderful"), (" and", None), (" kind.", None),
                    ),
                ),
                TextRow(
                    id="row 31",
                    caption="true negative, became positive (61.2 %) after two swaps",
                    tokens=tokens(
                        ("A slow", None), (" and", None), (" modest", None, " dreadful"),
                        (" meal", None), (" that", None), (" plased", None, " pleased"),
                        (" nobody", None), (".", None),
                    ),
                ),
            ],
        )
    }  # fmt: skip
    maps: dict[str, Evidence] = {
        "maps": TextExhibit(
            title="Words that decide",
            selection="random",
            rows=[
                TextRow(
                    id="row 4",
                    caption="predicted positive (97.3 %), true positive",
                    tokens=tokens(
                        ("The", 0.04), (" old", -0.22), (" lady", 0.1), (" told", 0.0),
                        (" a", -0.02), (" brilliant", 1.0, "gold"), (",", 0.02),
                        (" moving", 0.55, "gold"), (" story", 0.31), (".", 0.0),
                    ),
                ),
                TextRow(
                    id="row 9",
                    caption="predicted negative (90.8 %), true negative",
                    tokens=tokens(
                        ("I", 0.0), (" would", 0.08), (" not", 0.74, "gold"),
                        (" recommend", -0.83, "gold"), (" it", 0.05), (" to", 0.0),
                        (" anyone", -0.4), (".", 0.01),
                    ),
                ),
            ],
        )
    }  # fmt: skip
    return [
        Outcome(
            check="clean-accuracy",
            version=1,
            family="performance",
            question="How often is the model right on data like its training data?",
            metrics={
                "accuracy": Metric(
                    label="accuracy",
                    definition="Correct inputs in all inputs.",
                    unit="share",
                    better="higher",
                )
            },
            status="measured",
            seconds=0.3,
            headline="clean-accuracy/accuracy/all",
            findings=[share("clean-accuracy", "accuracy", 500, 500)],
        ),
        Outcome(
            check=swap,
            version=1,
            family="robustness",
            question="Do predictions survive swapped words?",
            explanation="Words are replaced by near neighbours in the model's own vocabulary.",
            not_shown="Whether a person would still read the same meaning.",
            remedy="Augment with the swaps shown here.",
            metrics={
                "robust_accuracy": Metric(
                    label="robust accuracy",
                    definition="Inputs still correct under attack, in all inputs.",
                    unit="share",
                    better="higher",
                )
            },
            status="measured",
            seconds=12.0,
            headline=f"{swap}/robust_accuracy/all/swaps=1",
            findings=[
                share(swap, "robust_accuracy", k, 500, swept={"swaps": s}, evidence=["worst"])
                for s, k in ((1, 431), (2, 322), (3, 260))
            ],
            evidence=swap_evidence,
        ),
        Outcome(
            check=attribution,
            version=1,
            family="attribution",
            question="Which words decide, and are they the ones people name?",
            not_shown="A word that decides need not be a good reason.",
            metrics={
                "hit_rate": Metric(
                    label="rationale hit rate",
                    definition="Rationale words among the three strongest, in all sentences.",
                    unit="share",
                    better="higher",
                )
            },
            status="measured",
            seconds=2.2,
            headline=f"{attribution}/hit_rate/all",
            findings=[share(attribution, "hit_rate", 406, 500, evidence=["maps"])],
            evidence=maps,
        ),
    ]


def text_result() -> Result:
    """A passed audit of a text classifier."""
    outcomes = text_outcomes()
    meets = "the whole interval meets the limit"
    return image_result().model_copy(
        update={
            "model": ModelFacts(
                name="phrases-transformer",
                sha256="e3" * 32,
                modality="text",
                architecture="encoder transformer",
                parameters=412_034,
                classes=["negative", "positive"],
            ),
            "data": DataFacts(
                name="phrases",
                split="test",
                sha256="d4" * 32,
                n=500,
                available=500,
                classes={"negative": 250, "positive": 250},
                slices=[
                    SliceFacts(
                        name="identity",
                        sensitive=True,
                        derived=False,
                        groups={"none": 300, "old": 100, "young": 100},
                    )
                ],
            ),
            "outcomes": outcomes,
            "records": None,
            "verdict": Verdict(
                status="pass",
                exit_code=0,
                sentence="Pass: both limits are met.",
                decided_by=[],
                passed=[
                    Judgement(
                        limit="accuracy >= 0.95", finding="clean-accuracy/accuracy/all",
                        status="pass", reason=meets, low=0.9926, high=1.0,
                    ),
                    Judgement(
                        limit="robust_accuracy >= 0.8",
                        finding="token-swap/robust_accuracy/all/swaps=1",
                        status="pass", reason=meets, low=0.8285, high=0.8913,
                    ),
                ],
            ),
            "provenance": provenance("audit run phrases-transformer --data phrases"),
        }
    )  # fmt: skip
