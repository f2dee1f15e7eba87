"""The hooks that a plugin can implement.

A plugin is a module named by an entry point of the group ``tlplug``. Each of its functions that carries
``@hookimpl`` and the name of a hook takes no argument and returns a list of records from `tlplug.specs`.
"""

from __future__ import annotations

import pluggy

from tlplug.specs import Augmentation, Backbone, BackboneFamily, Exporter, Head, Preprocess, Reader, Runtime

PROJECT = "tlplug"
"""The pluggy project and the entry-point group."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin module as the implementation of the hook of that name."""

hookspec = pluggy.HookspecMarker(PROJECT)


class HookSpecs:
    """One method a hook: a signature, what it is for, and an example that runs."""

    @hookspec
    def backbone(self) -> list[Backbone | BackboneFamily]:  # type: ignore[empty-body]
        """Pretrained networks that turn arrays into embeddings.

        >>> from tlplug import Backbone, hookimpl
        >>> @hookimpl
        ... def backbone():
        ...     return [Backbone(name="small_cnn", modality="image", build="my_package.small:build",
        ...                      input_shape=(64, 64, 3))]
        >>> backbone()[0].name
        'small_cnn'
        """

    @hookspec
    def preprocess(self) -> list[Preprocess]:  # type: ignore[empty-body]
        """How sources of a modality become the arrays that its backbones take.

        >>> from tlplug import Preprocess, hookimpl
        >>> @hookimpl
        ... def preprocess():
        ...     return [Preprocess(name="spectrum", modality="spectrum", suffixes=(".csv",),
        ...                        make="my_package.spectrum:make")]
        >>> preprocess()[0].suffixes
        ('.csv',)
        """

    @hookspec
    def head(self) -> list[Head]:  # type: ignore[empty-body]
        """What turns an embedding into a prediction.

        >>> from tlplug import Head, hookimpl
        >>> @hookimpl
        ... def head():
        ...     return [Head(name="two_layers", build="my_package.heads:build")]
        >>> head()[0].tasks
        ('classification',)
        """

    @hookspec
    def runtime(self) -> list[Runtime]:  # type: ignore[empty-body]
        """How frozen networks are run.

        >>> from tlplug import Runtime, hookimpl
        >>> @hookimpl
        ... def runtime():
        ...     return [Runtime(name="fast", priority=30, available="my_package.fast:available",
        ...                     compile="my_package.fast:compile", open="my_package.fast:open")]
        >>> runtime()[0].priority
        30
        """

    @hookspec
    def exporter(self) -> list[Exporter]:  # type: ignore[empty-body]
        """File formats that other systems load.

        >>> from tlplug import Exporter, hookimpl
        >>> @hookimpl
        ... def exporter():
        ...     return [Exporter(name="mine", suffix=".mine", export="my_package.mine:export",
        ...                      loader="my_package.load_mine")]
        >>> exporter()[0].suffix
        '.mine'
        """

    @hookspec
    def reader(self) -> list[Reader]:  # type: ignore[empty-body]
        """What turns a path into labelled examples.

        >>> from tlplug import Reader, hookimpl
        >>> @hookimpl
        ... def reader():
        ...     return [Reader(name="archive", sniff="my_package.archive:sniff", read="my_package.archive:read")]
        >>> reader()[0].name
        'archive'
        """

    @hookspec
    def augmentation(self) -> list[Augmentation]:  # type: ignore[empty-body]
        """Random changes of an example that leave its class as it is.

        >>> from tlplug import Augmentation, hookimpl
        >>> @hookimpl
        ... def augmentation():
        ...     return [Augmentation(name="spectrum-noise", modality="spectrum", apply="my_package.noise:apply",
        ...                          light=0.02, strong=0.1)]
        >>> augmentation()[0].strong
        0.1
        """
