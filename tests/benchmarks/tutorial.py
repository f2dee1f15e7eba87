"""The six-step transfer-learning tutorial of Keras, written as tutorials have it, to compare with.

Load pretrained, freeze, add a head, train, unfreeze and fine-tune at a low rate, evaluate. It is a script of its own:
``python tutorial.py DATA [--epochs 10] [--fine-tune 5] [--cut LAYER] [--seed 0]`` prints one line of JSON. DATA has a
folder for each class, of which a fifth is held out, or ``train`` and ``test`` with those.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--fine-tune", type=int, default=5)
    parser.add_argument("--cut", help="the last layer that stays frozen; the hundredth unless stated")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    import keras

    import tlplug

    keras.utils.set_random_seed(arguments.seed)
    load = {"seed": arguments.seed, "image_size": (224, 224), "batch_size": 32, "verbose": False}
    if (Path(arguments.data) / "train").is_dir():
        train = keras.utils.image_dataset_from_directory(f"{arguments.data}/train", **load)
        test = keras.utils.image_dataset_from_directory(f"{arguments.data}/test", **load)
    else:
        load["validation_split"] = 0.2
        train = keras.utils.image_dataset_from_directory(arguments.data, subset="training", **load)
        test = keras.utils.image_dataset_from_directory(arguments.data, subset="validation", **load)
    classes = len(train.class_names)
    train, test = train.prefetch(2), test.prefetch(2)

    base = tlplug.backbone("efficientnet_lite0").build()  # the scaling is inside, the output is pooled
    base.trainable = False
    inputs = keras.Input((224, 224, 3))
    hidden = keras.layers.Dropout(0.2)(base(inputs, training=False))
    model = keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(hidden))
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=test, epochs=arguments.epochs, verbose=0)
    result = {"frozen": model.evaluate(test, verbose=0)[1]}

    if arguments.fine_tune:
        base.trainable = True
        names = [layer.name for layer in base.layers]
        for layer in base.layers[: names.index(arguments.cut) + 1 if arguments.cut else 100]:
            layer.trainable = False
        model.compile(keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(train, validation_data=test, epochs=arguments.fine_tune, verbose=0)
        result["tuned"] = model.evaluate(test, verbose=0)[1]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
