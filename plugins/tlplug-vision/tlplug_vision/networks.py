"""Networks of keras.applications with their scaling inside, and the reading of their weight files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_vision.applications import Application, Family, weights_name

if TYPE_CHECKING:
    import h5py
    import keras

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_BGR_MEAN = (103.939, 116.779, 123.68)


def scale(images: keras.KerasTensor, kind: str) -> keras.KerasTensor:
    """Add the scaling that a family was trained with to a graph.

    Args:
        images: ``[batch, height, width, 3]``, RGB, 0..255.
        kind: ``tf`` ([-1, 1]), ``caffe`` (BGR minus its mean over ImageNet), ``torch`` (standardised with mean and
            deviation over ImageNet), ``efficientnet`` (what EfficientNet needs before its own normalization) or
            ``inside`` (the network itself scales).
    """
    from keras import layers, ops

    if kind == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(images)
    if kind == "caffe":
        offset = [-mean for mean in _BGR_MEAN]
        return layers.Rescaling(1.0, offset=offset, name="scaling")(ops.flip(images, axis=-1))
    if kind == "torch":
        factor = [1 / (255 * deviation) for deviation in IMAGENET_DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)]
        return layers.Rescaling(factor, offset=offset, name="scaling")(images)
    if kind == "efficientnet":
        # keras.applications divides once more by the root of the deviation after the normalization, but only when it
        # is called with weights="imagenet". Here the same factor comes before the normalization.
        factor = [deviation**-0.5 for deviation in IMAGENET_DEVIATION]
        offset = [255 * mean * (1 - part) for mean, part in zip(IMAGENET_MEAN, factor, strict=True)]
        return layers.Rescaling(factor, offset=offset, name="scaling")(images)
    return images


def build(
    family: Family,
    application: Application,
    weights: Path | None,
    *,
    image_size: int | None = None,
    alpha: float | None = None,
) -> keras.Model:
    """Build a network without its classification layer.

    Args:
        family: what it belongs to.
        application: which it is.
        weights: a file that Keras publishes for it (``.h5``, without top) or a whole classifier around the same
            network in Keras' HDF5 format; random initial weights when None.
        image_size: height and width in pixels; the size it was trained for when None.
        alpha: width multiplier, for a network that has one.

    Returns:
        A flat functional model from uint8 ``[batch, image_size, image_size, 3]``, RGB, to float32 ``[batch, size]``,
        the average over positions of the last features.

    Raises:
        ValueError: the image size is below the network's minimum, or the weights do not fit.
    """
    import keras

    size = application.image_size if image_size is None else image_size
    if size < family.minimum:
        raise ValueError(
            f"{application.name} takes images of {family.minimum} by {family.minimum} pixels or more. "
            f"Received: image_size={size}."
        )
    images = keras.Input((size, size, 3), dtype="uint8", name="image")
    arguments: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
    network = getattr(keras.applications, application.function)(
        input_tensor=scale(images, family.scaling),
        input_shape=(size, size, 3),
        include_top=False,
        weights=None,
        pooling="avg",
        **arguments,
    )
    # The same layers again: as keras.applications leaves it, the model would take a list of one input.
    model = keras.Model(images, network.outputs[0], name=network.name)
    if weights is not None:
        _load(model, weights, application, alpha)
    return model


def _load(model: keras.Model, path: Path, application: Application, alpha: float | None) -> None:
    import h5py

    try:
        with h5py.File(path) as file:
            whole = "model_weights" in file
            if whole:
                _load_by_name(model, file["model_weights"])
        if not whole:
            model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).strip().rstrip(".")
        width = f" with alpha={alpha}" if alpha is not None else ""
        fits = " or ".join(repr(name) for name in _fitting(application, alpha))
        raise ValueError(
            f"The weights file {path.name!r} does not fit {application.name}{width}: {reason}. Valid: {fits}."
        ) from error


def _fitting(application: Application, alpha: float | None) -> Iterator[str]:
    yield weights_name(alpha)
    if alpha in (None, 1.0):
        yield from application.more_weights


def _load_by_name(model: keras.Model, stored: h5py.Group) -> None:
    """Assign the variables of the first network in a stored classifier that has all of this model's, by name.

    Only arrays are read; the model configuration in such a file, which could hold code, is never looked at.
    """
    wanted = {variable.path: variable for variable in model.weights}
    for layer in stored.values():
        if wanted.keys() <= {str(name) for name in layer.attrs.get("weight_names", ())}:
            break
    else:
        raise ValueError("it holds no network with the same variables")
    for name, variable in wanted.items():
        if layer[name].shape != tuple(variable.shape):
            raise ValueError(f"{name} is {layer[name].shape}, not {tuple(variable.shape)}")
        variable.assign(layer[name][()])
