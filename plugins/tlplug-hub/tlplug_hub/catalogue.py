"""The modules that have a name of their own.

Those whose network another plugin brings as well are called ``hub_<network>``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from tlplug import Backbone, Source, Weights
from tlplug_hub.handles import CHECK, FETCH
from tlplug_hub.hub import build
from tlplug_hub.options import MODALITIES, options_of

LICENCE = "Apache-2.0"
_HUB = "https://tfhub.dev/"


@dataclass(frozen=True)
class Named:
    """A published module.

    Attributes:
        name: of the backbone.
        modality: what it takes.
        modules: what follows ``https://tfhub.dev/`` in its address; of a pair, preprocessor and encoder.
        summary: what it is, in one sentence.
        reference: authors, year and address of the paper.
        set_name: what its weights were trained on.
        kaggle: its handle there, where it is tried next; of a pair, both.
        output: key or position of its embedding.
    """

    name: str
    modality: str
    modules: tuple[str, ...]
    summary: str
    reference: str
    set_name: str
    kaggle: tuple[str, ...]
    output: str | None = None


NAMED = (
    Named(
        "universal_sentence_encoder",
        "text",
        ("google/universal-sentence-encoder/4",),
        "Universal Sentence Encoder, English sentences and short paragraphs, 512 numbers",
        "Cer et al. 2018, arXiv:1803.11175",
        "published",
        kaggle=("google/universal-sentence-encoder/tensorFlow2/universal-sentence-encoder/2",),
    ),
    Named(
        "hub_bert",
        "text",
        ("tensorflow/bert_en_uncased_preprocess/3", "tensorflow/bert_en_uncased_L-12_H-768_A-12/4"),
        "BERT base with its preprocessor, English in lower case, the first 128 tokens of a text",
        "Devlin et al. 2019, arXiv:1810.04805",
        "wiki-books",
        kaggle=(
            "tensorflow/bert/tensorFlow2/en-uncased-preprocess/3",
            "tensorflow/bert/tensorFlow2/en-uncased-l-12-h-768-a-12/4",
        ),
        output="pooled_output",
    ),
    Named(
        "hub_yamnet",
        "audio",
        ("google/yamnet/1",),
        "YAMNet, a MobileNet on log-mel spectrograms that knows 521 kinds of sound",
        "Plakal, Ellis: YAMNet, TensorFlow model garden; Howard et al. 2017, arXiv:1704.04861",
        "audioset",
        kaggle=("google/yamnet/tensorFlow2/yamnet/1",),
        output="1",
    ),
    Named(
        "vggish",
        "audio",
        ("google/vggish/1",),
        "VGGish, a VGG on log-mel spectrograms, 128 numbers",
        "Hershey et al. 2017, arXiv:1609.09430",
        "youtube-8m",
        kaggle=("google/vggish/tensorFlow2/vggish/1",),
    ),
    Named(
        "hub_mobilenet_v2",
        "image",
        ("google/imagenet/mobilenet_v2_100_224/feature_vector/5",),
        "MobileNetV2 feature vectors, 224 pixels",
        "Sandler et al. 2018, arXiv:1801.04381",
        "imagenet",
        kaggle=("google/mobilenet-v2/tensorFlow2/100-224-feature-vector/2",),
    ),
    Named(
        "hub_efficientnet_b0",
        "image",
        ("tensorflow/efficientnet/b0/feature-vector/1",),
        "EfficientNet-B0 feature vectors, 224 pixels",
        "Tan, Le 2019, arXiv:1905.11946",
        "imagenet",
        kaggle=("tensorflow/efficientnet/tensorFlow2/b0-feature-vector/1",),
    ),
    Named(
        "hub_resnet50_v2",
        "image",
        ("google/imagenet/resnet_v2_50/feature_vector/5",),
        "ResNet50V2 feature vectors, 224 pixels",
        "He et al. 2016, arXiv:1603.05027",
        "imagenet",
        kaggle=("google/resnet-v2/tensorFlow2/50-feature-vector/2",),
    ),
)


def backbones() -> Iterator[Backbone]:
    """Return the records of all of them."""
    for named in NAMED:
        places = [",".join(_HUB + module for module in named.modules), ",".join(named.kaggle)]
        sources = tuple(Source(kind="hub", location=place, fetch=FETCH, check=CHECK) for place in places)
        yield Backbone(
            name=named.name,
            modality=named.modality,
            build=functools.partial(build, named.modality),
            preprocess=MODALITIES[named.modality],
            weights={named.set_name: Weights(sources=sources, licence=LICENCE)},
            network_in_weights=True,
            options=options_of(named.modality, output=named.output),
            summary=named.summary,
            licence=LICENCE,
            reference=named.reference,
        )
