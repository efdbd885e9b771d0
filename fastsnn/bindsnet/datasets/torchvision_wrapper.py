# SPDX-License-Identifier: Apache-2.0
"""Data sets of torchvision, or of one's own, with encoders for image and label."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fastsnn import datasets
from fastsnn.bindsnet.encoding.encoders import Encoder, NullEncoder
from fastsnn.optional import need

__all__ = ["Encoder", "NullEncoder", "create_torchvision_dataset_wrapper"]

# in files that fastsnn reads itself, so that torchvision need not be there
_OWN = {"MNIST": datasets.MNIST, "FashionMNIST": datasets.FashionMNIST, "KMNIST": datasets.KMNIST}


def create_torchvision_dataset_wrapper(ds_type: str | Callable[..., Any]) -> type:
    """Make a class whose items are dicts: image, label, encoded_image, encoded_label.

    ds_type: the name of a data set of torchvision, or what makes a data set of (image, label).

    The class takes (image_encoder=None, label_encoder=None, *args, **kwargs); the rest goes to the
    data set, whose attributes are also those of the wrapper.
    """
    name = ds_type if isinstance(ds_type, str) else ds_type.__name__

    def __init__(
        self: Any,
        image_encoder: Encoder | None = None,
        label_encoder: Encoder | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        made = _find(ds_type)(*args, **kwargs)
        datasets.Encoded.__init__(
            self, made, image_encoder or NullEncoder(), label_encoder or NullEncoder()
        )

    def __setattr__(self: Any, attribute: str, value: Any) -> None:
        # data, targets, transform ... belong to the data set
        inner = self.__dict__.get("dataset")
        owner = inner if attribute not in self.__dict__ and hasattr(inner, attribute) else self
        object.__setattr__(owner, attribute, value)

    wrapper = type(
        name,
        (datasets.Encoded,),
        {
            "__doc__": f"The data set {name}, its items encoded and given as dicts.",
            "__init__": __init__,
            "__setattr__": __setattr__,
            "__module__": sys._getframe(1).f_globals.get("__name__", __name__),
        },
    )
    return wrapper


def _find(ds_type: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(ds_type, str):
        return ds_type
    if ds_type in _OWN:
        return _OWN[ds_type]
    vision = need("torchvision.datasets", "torchvision", f"The data set {ds_type}")
    found = getattr(vision, ds_type, None)
    if found is None:
        raise AttributeError(f"torchvision.datasets has no {ds_type} in the version installed here")
    return found
