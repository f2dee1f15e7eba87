"""tlplug's own plugin: records only. Their code is named by strings and imported at first use."""

from __future__ import annotations

import importlib.util

from tlplug.hookspecs import hookimpl
from tlplug.specs import BackboneFamily, Exporter, Head, Option, Reader, Runtime

TLPLUG_API = 1

_BALANCED = Option(
    name="class_weight",
    type=str,
    default="none",
    choices=("none", "balanced"),
    help="'balanced' makes every class count the same in the fit, however many examples it has",
)


def litert_available() -> bool:
    """Whether the package ai-edge-litert is there; here, where asking imports nothing."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def tensorflow_available() -> bool:
    """Whether TensorFlow is there."""
    return importlib.util.find_spec("tensorflow") is not None


@hookimpl
def backbone() -> list[BackboneFamily]:
    return [
        BackboneFamily(
            prefix="file",
            resolve="tlplug.backbones.keras_file:resolve",
            pattern="<model.keras>",
            summary="Any Keras model file that returns a pooled embedding",
        )
    ]


@hookimpl
def head() -> list[Head]:
    return [
        Head(
            name="linear",
            fit="tlplug.heads.linear:fit",
            apply="tlplug.heads.linear:apply",
            to_keras="tlplug.heads.linear:to_keras",
            from_keras="tlplug.heads.linear:from_keras",
            options=(
                _BALANCED,
                Option(
                    name="penalty",
                    type=float,
                    minimum=1e-6,
                    help="L2 penalty, 1 / C of scikit-learn; chosen by cross-validation when left out",
                ),
                Option(
                    name="scale",
                    type=str,
                    choices=("common", "each"),
                    help="one scale for all features or one for each; chosen by cross-validation when left out",
                ),
            ),
            summary="Multinomial logistic regression, its penalty chosen by cross-validation",
            reference="Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, 4.4",
        ),
        Head(
            name="mlp",
            build="tlplug.heads.mlp:build",
            options=(
                _BALANCED,
                Option(
                    name="hidden", type=str, default="256", help="sizes of the hidden layers, such as 256,64; or none"
                ),
                Option(
                    name="dropout",
                    type=float,
                    default=0.2,
                    minimum=0,
                    maximum=0.95,
                    help="share of units dropped before each Dense layer",
                ),
                Option(
                    name="epochs",
                    type=int,
                    default=200,
                    minimum=1,
                    help="at most this many passes over the training part",
                ),
                Option(name="learning_rate", type=float, default=1e-3, minimum=1e-8, help="of Adam"),
                Option(name="batch_size", type=int, default=32, minimum=1, help="examples per step"),
                Option(
                    name="patience", type=int, default=20, minimum=1, help="epochs without improvement before stopping"
                ),
            ),
            summary="Dense layers with dropout, trained by Keras with early stopping",
        ),
        Head(
            name="prototype",
            fit="tlplug.heads.prototype:fit",
            apply="tlplug.heads.prototype:apply",
            to_keras="tlplug.heads.prototype:to_keras",
            summary="Nearest class mean by cosine, for a handful of examples per class",
            reference="Snell, Swersky, Zemel 2017, arXiv:1703.05175",
        ),
    ]


@hookimpl
def runtime() -> list[Runtime]:
    return [
        Runtime(
            name="litert",
            priority=20,
            available=litert_available,
            compile="tlplug.features.litert:compile_model",
            open="tlplug.features.litert:open_model",
            summary="LiteRT, without TensorFlow",
        ),
        Runtime(
            name="tensorflow",
            priority=10,
            available=tensorflow_available,
            compile="tlplug.features.tensorflow:compile_model",
            open="tlplug.features.tensorflow:open_model",
            summary="Keras on TensorFlow; takes every model",
        ),
    ]


@hookimpl
def exporter() -> list[Exporter]:
    return [
        Exporter(
            name="savedmodel",
            suffix="",
            export="tlplug.export.saved_model:export",
            loader="tlplug.export.loaders.saved_model",
            raw=True,
            summary="A TensorFlow SavedModel that takes raw input, for TensorFlow Serving and plain TensorFlow",
        ),
        Exporter(
            name="keras",
            suffix=".keras",
            export="tlplug.export.keras_archive:export",
            loader="tlplug.export.loaders.keras",
            summary="A .keras file, to go on from in Keras",
        ),
        Exporter(
            name="litert",
            suffix=".tflite",
            export="tlplug.export.litert:export",
            loader="tlplug.export.loaders.litert",
            options=(
                Option(
                    name="precision",
                    type=str,
                    default="float32",
                    choices=("float32", "float16", "dynamic", "int8"),
                    help="of the weights; int8 computes in int8 as well, calibrated on training examples",
                ),
            ),
            summary="A .tflite file for LiteRT, on phones and small machines",
        ),
        Exporter(
            name="onnx",
            suffix=".onnx",
            export="tlplug.export.onnx:export",
            loader="tlplug.export.loaders.onnx",
            requires=(("tf2onnx", "tlplug[onnx]"), ("onnxruntime", "tlplug[onnx]")),
            summary="An .onnx file for ONNX Runtime and what else reads it",
        ),
    ]


@hookimpl
def reader() -> list[Reader]:
    return [
        Reader(
            name="folder",
            sniff="tlplug.data.folder:sniff",
            read="tlplug.data.folder:read",
            summary="One subfolder a class, with or without train, validation and test folders above",
        ),
        Reader(
            name="table",
            sniff="tlplug.data.table:sniff",
            read="tlplug.data.table:read",
            follow="tlplug.data.table:follow",
            options=(
                Option(name="input", type=str, help="column of the texts, or of the paths of files"),
                Option(name="label", type=str, help="column of the class names"),
                Option(name="encoding", type=str, default="utf-8", help="of the file"),
            ),
            summary="A CSV, TSV or JSONL file, a row an example, with a column of texts or paths and one of labels",
        ),
    ]
