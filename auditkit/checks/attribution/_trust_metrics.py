"""What each number of `attribution-trust` means."""

from __future__ import annotations

from auditkit.findings import Metric

METRICS = {
    "deletion_gain": Metric(
        label="deletion gain",
        definition=(
            "Mean over inputs of the area under the curve of the predicted class's"
            " probability as parts are removed in random order, minus that area when the"
            " highest scores are removed first. 0 is chance; inputs whose map is zero"
            " everywhere are left out."
        ),
        unit="probability",
        better="higher",
    ),
    "insertion_gain": Metric(
        label="insertion gain",
        definition=(
            "Mean over inputs of the area under the curve of the predicted class's"
            " probability as parts are put back with the highest scores first, minus that"
            " area when they are put back in random order. 0 is chance; inputs whose map"
            " is zero everywhere are left out. The same as removing the lowest scores first."
        ),
        unit="probability",
        better="higher",
    ),
    "road_morf_gain": Metric(
        label="ROAD gain, most relevant first",
        definition=(
            "Deletion gain where removed pixels are guessed from their surroundings (noisy"
            " linear imputation), so that no outline gives them away. On few inputs, images"
            " alone. 0 is chance."
        ),
        unit="probability",
        better="higher",
    ),
    "road_lerf_gain": Metric(
        label="ROAD gain, least relevant first",
        definition=(
            "Mean over inputs of the area under the curve of the predicted class's probability"
            " as parts are removed with the lowest scores first, minus that in random order,"
            " where removed pixels are guessed from their surroundings. On few inputs, images"
            " alone. 0 is chance."
        ),
        unit="probability",
        better="higher",
    ),
    "gain_over_modelless": Metric(
        label="deletion gain over a map without a model",
        definition=(
            "Deletion gain minus that of the best map made without the model (edges or a blob"
            " in the centre, token length, distance from the usual value, number of edges),"
            " mean over inputs."
            " Not above 0: the map says no more than the input does."
        ),
        unit="probability",
        better="higher",
    ),
    "comprehensiveness": Metric(
        label="comprehensiveness",
        definition=(
            "Mean over texts of the fall of the predicted class's probability without the"
            " highest scoring 1, 5, 10, 20 and 50 % of the tokens (at least one), mean over"
            " these shares. Read it beside that of random scores."
        ),
        unit="probability",
        better="higher",
    ),
    "sufficiency": Metric(
        label="sufficiency",
        definition=(
            "Mean over texts of the fall of the predicted class's probability when only the"
            " highest scoring 1, 5, 10, 20 and 50 % of the tokens (at least one) are left, mean"
            " over these shares. Read it beside that of random scores."
        ),
        unit="probability",
        better="lower",
    ),
    "set_correlation": Metric(
        label="faithfulness correlation",
        definition=(
            "Mean over inputs of the correlation, over random halves of the parts, between"
            " the summed scores of the half that is removed and the fall of the class"
            " score. 0 is chance; 1 where the score is a sum over parts."
        ),
        unit="correlation",
        better="higher",
    ),
    "infidelity": Metric(
        label="infidelity",
        definition=(
            "Mean over inputs of the mean squared difference, over random sets of up to a"
            " quarter of the parts, between the summed scores of the set that is removed, at"
            " their best scale, and the fall of the class score, as a share of the mean squared"
            " fall. 0 where the score is a sum over parts; 1 says nothing. Read it beside that"
            " of random scores."
        ),
        unit="share of the mean squared fall",
        better="lower",
    ),
    "randomisation_similarity": Metric(
        label="similarity to the map of a random model",
        definition=(
            "Mean over inputs of the rank correlation between the sizes of the scores of"
            " this model and of the same network with random weights, over the parts that"
            " differ from the reference. 1 means that the map ignores the weights."
        ),
        unit="rank correlation",
        better="lower",
    ),
    "cascading_similarity": Metric(
        label="similarity as layers are randomised",
        definition=(
            "Mean over inputs, and over four stages in which the layers get random weights from"
            " the output down, of the rank correlation between the sizes of the scores before"
            " and after. On few inputs. 1 means that the map ignores the weights."
        ),
        unit="rank correlation",
        better="lower",
    ),
    "max_sensitivity": Metric(
        label="largest change of the map nearby",
        definition=(
            "Mean over inputs of the largest change of the map, divided by its length,"
            " among copies of the input with noise of a fiftieth of the range (images) or"
            " of the spread (tables). Not defined for texts and graphs."
        ),
        unit="share of the map's length",
        better="lower",
    ),
    "relative_output_stability": Metric(
        label="relative output stability",
        definition=(
            "Median over inputs of the largest relative change of the scores of parts per"
            " change of the logits, both Euclidean lengths, among the same copies of the input"
            " as far as the class stays. Parts that score zero are left out. It has no upper"
            " bound."
        ),
        unit="relative change per logit",
        better="lower",
    ),
    "seed_similarity": Metric(
        label="similarity to the map of another draw",
        definition=(
            "Mean over inputs of the rank correlation between the scores of two runs of a"
            " method that draws at random. 1 means that luck plays no part."
        ),
        unit="rank correlation",
        better="higher",
    ),
    "reference_similarity": Metric(
        label="similarity to the map from another reference",
        definition=(
            "Mean over inputs of the rank correlation between the scores from two"
            " references: the image's mean colour (or what `reference` says) and middle"
            " grey. 1 means that the choice plays no part. Images alone."
        ),
        unit="rank correlation",
        better="higher",
    ),
    "completeness_error": Metric(
        label="completeness error",
        definition=(
            "Median over inputs of |sum of scores - change of the class score from the"
            " reference| / |change|, for methods that promise 0. Inputs on which the score"
            " changes by less than 0.01 are left out."
        ),
        unit="share of the change",
        better="lower",
    ),
    "relevance_mass": Metric(
        label="relevance mass",
        definition=(
            "Mean over inputs of the share of absolute scores inside the region that truly"
            " matters. By chance it is the region's share of the image."
        ),
        unit="share",
        better="higher",
    ),
    "relevance_rank_accuracy": Metric(
        label="relevance rank accuracy",
        definition=(
            "Mean over inputs of the share of the region that truly matters among as many"
            " of the highest absolute scores. By chance it is the region's share."
        ),
        unit="share",
        better="higher",
    ),
    "relevance_gain": Metric(
        label="relevance gain over chance",
        definition="Relevance rank accuracy minus the region's share, mean over inputs.",
        unit="share",
        better="higher",
    ),
    "pointing_hit_rate": Metric(
        label="pointing hit rate",
        definition=(
            "Share of inputs whose highest absolute score lies inside the region that truly"
            " matters, of inputs whose region leaves something out."
        ),
        unit="share",
        better="higher",
    ),
    "rationale_hit_rate": Metric(
        label="rationale hit rate",
        definition=(
            "Share of texts whose highest scoring token lies in the rationale, of texts"
            " with a rationale that leaves out at least one token."
        ),
        unit="share",
        better="higher",
    ),
    "rationale_gain": Metric(
        label="rationale gain over chance",
        definition=("Rationale hit rate minus that of a token drawn at random, on the same texts."),
        unit="share",
        better="higher",
    ),
}
