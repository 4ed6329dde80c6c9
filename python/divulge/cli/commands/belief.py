"""Commands that ask whether a model or its gradient can be believed, and their options."""

from __future__ import annotations

from divulge.cli.execution import execute
from divulge.cli.options import (
    AttributionOption,
    BlockModelOption,
    BoundsOption,
    ClassesOption,
    ClassifierOption,
    EpochsOption,
    FigureOption,
    FolderOption,
    ImageCountOption,
    ImagesOption,
    JobsOption,
    JsonOption,
    MethodOption,
    NetworkOption,
    NormOption,
    PositionOption,
    RadiusOption,
    RoarLevelsOption,
    RobustRadiusOption,
    RunsOption,
    SamplesOption,
    SeedOption,
    SourceOption,
    StepsOption,
    TargetOption,
    TrainingImagesOption,
)


def blockmnist(
    data: ImagesOption = "mnist",
    target: TargetOption = None,
    model: BlockModelOption = "patch_cnn",
    position: PositionOption = "random",
    attribution: AttributionOption = "gradient",
    radius: RadiusOption = None,
    images: ImageCountOption = 6000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Ask how much of a gradient falls where nothing can be known.

    Digits 0 and 1 are stacked with a block that is the same in all images. A standard and an adversarially
    trained model learn to tell them apart; shown is the share of the largest attributions in that block.
    """
    execute("blockmnist", locals())


def diffroar(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: NetworkOption = "strided_cnn",
    attribution: AttributionOption = "gradient",
    levels: RoarLevelsOption = "5,10,20,50",
    runs: RunsOption = 3,
    radius: RobustRadiusOption = 0.0,
    norm: NormOption = "linf",
    images: TrainingImagesOption = None,
    epochs: EpochsOption = 10,
    jobs: JobsOption = 1,
    folder: FolderOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Ask whether a gradient points at what a model needs.

    Models are trained again on the pixels that the attribution ranks first, and on those it ranks last.
    Above zero, the difference of their test accuracies says that the ranking finds what discriminates.
    """
    execute("diffroar", locals())


def saliency(
    victim: ClassifierOption,
    classes: ClassesOption = "all",
    steps: StepsOption = 100,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Draw what a classifier holds of each class, from no input at all."""
    execute("saliency", locals())


def backdoor(
    victim: ClassifierOption,
    data: SamplesOption = None,
    target: TargetOption = None,
    method: MethodOption = "agnostic",
    bounds: BoundsOption = None,
    source: SourceOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Look for a class that a small trigger reaches, whatever the image: a backdoor."""
    execute("backdoor", locals())
