"""The built-in models and their architectures, by name."""

from __future__ import annotations

from auditkit.models.builtin import (
    alexnet,
    decoder_transformer,
    densenet,
    digits_cnn,
    efficientnet,
    encoder_decoder_transformer,
    encoder_transformer,
    gradient_boosting,
    graph_convolution,
    gru,
    inception,
    lenet5,
    logistic_regression,
    lstm,
    mixture_of_experts,
    mlp,
    quantised_resnet,
    resnet,
    rnn,
    strided_cnn,
    text_cnn,
    vgg,
    vision_transformer,
)
from auditkit.models.card import ModelCard, Network, measurements

CARDS: dict[str, ModelCard] = {
    card.name: card
    for module in (
        digits_cnn,
        mlp,
        lenet5,
        alexnet,
        vgg,
        inception,
        resnet,
        strided_cnn,
        quantised_resnet,
        densenet,
        efficientnet,
        vision_transformer,
        text_cnn,
        rnn,
        lstm,
        gru,
        encoder_transformer,
        decoder_transformer,
        encoder_decoder_transformer,
        mixture_of_experts,
        gradient_boosting,
        logistic_regression,
        graph_convolution,
    )
    for card in module.CARDS
}
# What `audit run NAME` knows: cards whose weights come with auditkit; the others can be trained.
MODELS = {name: card for name, card in CARDS.items() if name in measurements()}
ARCHITECTURES: dict[str, type[Network]] = {card.architecture: card.build for card in CARDS.values()}
