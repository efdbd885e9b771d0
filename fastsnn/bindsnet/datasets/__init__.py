# SPDX-License-Identifier: Apache-2.0
"""Data sets whose items are dicts: image, label, encoded_image, encoded_label.

MNIST, FashionMNIST and KMNIST are read by fastsnn itself; the other wrappers ask torchvision for
their data when they are made.
"""

from fastsnn.bindsnet.datasets import (
    alov300,
    collate,
    dataloader,
    davis,
    preprocess,
    spoken_mnist,
    torchvision_wrapper,
)
from fastsnn.bindsnet.datasets.alov300 import ALOV300
from fastsnn.bindsnet.datasets.collate import time_aware_collate
from fastsnn.bindsnet.datasets.dataloader import DataLoader
from fastsnn.bindsnet.datasets.davis import Davis
from fastsnn.bindsnet.datasets.spoken_mnist import SpokenMNIST
from fastsnn.bindsnet.datasets.torchvision_wrapper import create_torchvision_dataset_wrapper

_make = create_torchvision_dataset_wrapper
CIFAR10, CIFAR100, Cityscapes = _make("CIFAR10"), _make("CIFAR100"), _make("Cityscapes")
CocoCaptions, CocoDetection = _make("CocoCaptions"), _make("CocoDetection")
DatasetFolder, EMNIST, FakeData = _make("DatasetFolder"), _make("EMNIST"), _make("FakeData")
FashionMNIST, Flickr30k, Flickr8k = _make("FashionMNIST"), _make("Flickr30k"), _make("Flickr8k")
ImageFolder, KMNIST, LSUN = _make("ImageFolder"), _make("KMNIST"), _make("LSUN")
LSUNClass, MNIST, Omniglot = _make("LSUNClass"), _make("MNIST"), _make("Omniglot")
PhotoTour, SBU, SEMEION = _make("PhotoTour"), _make("SBU"), _make("SEMEION")
STL10, SVHN, VOCDetection = _make("STL10"), _make("SVHN"), _make("VOCDetection")
VOCSegmentation = _make("VOCSegmentation")

__all__ = [
    "ALOV300",
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "LSUN",
    "MNIST",
    "SBU",
    "SEMEION",
    "STL10",
    "SVHN",
    "Cityscapes",
    "CocoCaptions",
    "CocoDetection",
    "DataLoader",
    "DatasetFolder",
    "Davis",
    "FakeData",
    "FashionMNIST",
    "Flickr8k",
    "Flickr30k",
    "ImageFolder",
    "LSUNClass",
    "Omniglot",
    "PhotoTour",
    "SpokenMNIST",
    "VOCDetection",
    "VOCSegmentation",
    "alov300",
    "collate",
    "create_torchvision_dataset_wrapper",
    "dataloader",
    "davis",
    "preprocess",
    "spoken_mnist",
    "time_aware_collate",
    "torchvision_wrapper",
]
