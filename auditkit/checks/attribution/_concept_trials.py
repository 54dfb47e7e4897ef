"""What prepared concepts do to a sample: to the answers, and to the activations of one layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import GALLERY_SIZE
from auditkit.methods.concepts.images import IMAGE_CONCEPTS, fits, with_concept
from auditkit.methods.concepts.layer import Layer, image_layer, vector_layer
from auditkit.methods.concepts.texts import TEXT_CONCEPTS, Vocabulary, known_words, with_word
from auditkit.methods.concepts.vectors import concept_vector, tells, towards
from auditkit.methods.saliency.probes.base import floats
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import Inputs, TextClassifier
from auditkit.randomness import generator, keys_of, uniform
from auditkit.types import Floats, Ints, Keys

FEWEST_WORDS = 3  # of a concept, that the model can read
_PURPOSE = "concepts"


class Change(NamedTuple):
    """The sample with a concept, and with a change like it that is none."""

    present: Inputs
    random: Inputs
    words: Sequence[str] = ()  # texts: the word that was put into each

    def only(self, rows: list[int]) -> Change:
        """Return the same of some inputs."""
        present, random = (
            one[rows] if isinstance(one, Tensor) else [one[i] for i in rows]
            for one in (self.present, self.random)
        )
        return Change(present, random, [self.words[i] for i in rows if self.words])


@final
@dataclass(frozen=True, kw_only=True)
class Trials:
    """What c concepts do to n inputs with k classes.

    Parameters
    ----------
    shown : dict of int
        The inputs that may be shown, and their place among those kept in `changes`.
    changes : dict of Change
        The concepts that could be tried, by name, with the inputs that may be shown alone: all
        inputs with all concepts would take much memory.
    left_out : dict of str
        Why the others could not.
    effects : dict of ndarray
        (n, k) change of the probabilities by each concept.
    by_chance : dict of ndarray
        (n, k) change of the probabilities by a random change.
    accuracy : dict of ndarray
        (n,) share of the vectors learnt on others that each input moves along with the concept.
    towards : dict of ndarray
        (repeats, n) whether the score of the predicted class rises along each vector.
    towards_random : ndarray
        (vectors, n) the same along random vectors.
    layer : str
        Where the vectors lie, or why there are none.
    """

    shown: Mapping[int, int]
    changes: Mapping[str, Change]
    left_out: Mapping[str, str]
    effects: Mapping[str, Floats]
    by_chance: Mapping[str, Floats]
    accuracy: Mapping[str, Floats]
    towards: Mapping[str, Floats]
    towards_random: Floats
    layer: str


def tried(sample: Artifacts, *, repeats: int, vectors: int) -> Trials:
    """Return what every concept does to a sample.

    Parameters
    ----------
    sample : Artifacts
        Images or texts.
    repeats : int
        Vectors per concept, each learnt on inputs of its own.
    vectors : int
        Random vectors.
    """
    makers, left_out = _makers(sample)
    shown = np.argsort(-luck(sample), kind="stable")[:GALLERY_SIZE].tolist()
    clean = _layer(sample, sample.inputs)
    changes, effects, by_chance = dict[str, Change](), dict[str, Floats](), dict[str, Floats]()
    accuracy, rises = dict[str, Floats](), dict[str, Floats]()
    folds = _order(sample, "folds") % repeats  # (n,)
    for name, make in makers.items():
        one = make()
        changes[name] = one.only(shown)
        effects[name], by_chance[name] = (
            _moved(sample, some) for some in (one.present, one.random)
        )
        if isinstance(clean, Layer):
            present = _layer(sample, one.present)
            if isinstance(present, Layer) and present.values.shape == clean.values.shape:
                both = floats(present.values), floats(clean.values)
                accuracy[name], rises[name] = _learnt(*both, floats(clean.slopes), folds, repeats)
    rises_random = np.zeros((0, len(sample)))
    if isinstance(clean, Layer):
        values, slopes = floats(clean.values), floats(clean.slopes)
        rises_random = _random(sample, values, slopes, vectors, len(sample) // repeats)
    return Trials(
        shown={i: place for place, i in enumerate(shown)},
        changes=changes,
        left_out=left_out,
        effects=effects,
        by_chance=by_chance,
        accuracy=accuracy,
        towards=rises,
        towards_random=rises_random,
        layer=clean.words if isinstance(clean, Layer) else clean.reason,
    )


def luck(sample: Artifacts) -> Floats:
    """Return a random number per input (n,): those with the highest are shown."""
    return uniform(_keys(sample, "gallery"), ())


def _makers(sample: Artifacts) -> tuple[dict[str, Callable[[], Change]], dict[str, str]]:
    """Return what puts each concept into the sample, and why it cannot be done with others."""
    if sample.classifier.modality == "text":
        return _in_texts(sample)
    makers, left_out = dict[str, Callable[[], Change]](), dict[str, str]()
    for name in IMAGE_CONCEPTS:
        if fits(name, sample.images.shape[1]):
            makers[name] = partial(_drawn, sample, name)
        else:
            left_out[name] = "the images have no colours"
    return makers, left_out


def _drawn(sample: Artifacts, name: str) -> Change:
    bounds = sample.image_model.bounds
    return Change(*with_concept(name, sample.images, bounds, _keys(sample, name)))


def _in_texts(sample: Artifacts) -> tuple[dict[str, Callable[[], Change]], dict[str, str]]:
    model = sample.text_model
    vocabulary = Vocabulary(sample.texts, lambda word: _reads(model, word))
    makers, left_out = dict[str, Callable[[], Change]](), dict[str, str]()
    for name in TEXT_CONCEPTS:
        words = known_words(name, lambda word: _reads(model, word))
        if len(words) < FEWEST_WORDS or not vocabulary.plain:
            left_out[name] = f"the model reads {len(words)} of its words, or no other word"
            continue
        makers[name] = partial(_put, sample, name, words, vocabulary)
    return makers, left_out


def _put(sample: Artifacts, name: str, words: Sequence[str], vocabulary: Vocabulary) -> Change:
    return Change(*with_word(sample.texts, words, vocabulary, _keys(sample, name)))


def _reads(model: TextClassifier, word: str) -> bool:
    """Return whether a model has tokens for a word."""
    encoded = model.encode([word])
    ids = encoded.ids[~encoded.special]
    return len(ids) > 0 and bool((ids != model.unk_id).all())


def _moved(sample: Artifacts, inputs: Inputs) -> Floats:
    """Return how far the probabilities (n, k) move from those of the sample."""
    logits = sample.classifier.predict(inputs, batch_size=sample.execution.batch_size)
    before = sample[Predictions].logits.double().softmax(dim=1)
    return floats(logits.double().softmax(dim=1) - before)


def _layer(sample: Artifacts, inputs: Inputs) -> Layer | Unsuited:
    """Return one layer's vectors of all inputs, and slopes of the class predicted for the clean."""
    if not sample.classifier.differentiable:
        return Unsuited("the model has no gradients")
    size, target = sample.execution.batch_size, sample[Predictions].predicted
    found: list[Layer] = []
    for start in range(0, len(inputs), size):
        one = _of_batch(sample, inputs[start : start + size], target[start : start + size])
        if isinstance(one, Unsuited):
            return one
        found.append(one)
    if len({one.words for one in found}) > 1:
        return Unsuited("the last layer is not the same for all inputs")
    return Layer(
        torch.cat([one.values for one in found]),
        torch.cat([one.slopes for one in found]),
        found[0].words,
    )


def _of_batch(sample: Artifacts, inputs: Inputs, target: Tensor) -> Layer | Unsuited:
    if isinstance(inputs, Tensor):
        return image_layer(sample.image_model.logits, inputs, target)
    model = sample.text_model
    encoded = model.encode(inputs)
    with torch.no_grad():
        points = model.embed(encoded.ids)
    return vector_layer(
        lambda some: model.logits_from_embeddings(some, encoded.mask), points, target
    )


def _learnt(
    present: Floats, absent: Floats, slopes: Floats, folds: Ints, repeats: int
) -> tuple[Floats, Floats]:
    """Return accuracy (n,) on inputs not learnt from, and rises (repeats, n)."""
    right = np.full((repeats, len(absent)), np.nan)
    rises = np.empty((repeats, len(absent)))
    for fold in range(repeats):
        mine = folds == fold
        direction = concept_vector(present[mine], absent[mine])
        right[fold, ~mine] = tells(direction, present, absent)[~mine]
        rises[fold] = towards(slopes, direction)
    return np.nanmean(right, axis=0), rises


def _random(sample: Artifacts, values: Floats, slopes: Floats, vectors: int, size: int) -> Floats:
    """Return rises (vectors, n) along what tells two random sets of clean inputs apart."""
    rises = np.empty((vectors, len(values)))
    for number in range(vectors):
        order = _order(sample, f"random vector {number}")
        first, second = order < size, (order >= size) & (order < 2 * size)
        rises[number] = towards(slopes, concept_vector(values[first], values[second]))
    return rises


def _order(sample: Artifacts, purpose: str) -> Ints:
    """Return a random number of each input, 0 to n - 1."""
    return generator(sample.key(_PURPOSE, purpose)).permutation(len(sample))


def _keys(sample: Artifacts, purpose: str) -> Keys:
    return keys_of(sample.seed, f"{_PURPOSE} {purpose}", sample.ids)
