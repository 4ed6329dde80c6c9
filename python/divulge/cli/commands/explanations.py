"""Commands that explain a model by its data or on a table, and their options."""

from __future__ import annotations

from divulge.cli.execution import execute
from divulge.cli.options import (
    ClassOption,
    CriticismsOption,
    DampingOption,
    FigureOption,
    FixedOption,
    GenerationsOption,
    GroupsOption,
    ImagesOption,
    JsonOption,
    LabelsOption,
    ModelOption,
    PairsOption,
    PrototypeCountOption,
    RefitsOption,
    RowCountOption,
    SeedOption,
    ShareOption,
    StolenModelOption,
    StudentOption,
    TargetOption,
    TestOption,
    TopOption,
    TrainedModelOption,
    TreeRowsOption,
    TrustedOption,
)


def influence(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: ModelOption = "mlp",
    test: TestOption = 8,
    top: TopOption = 10,
    damping: DampingOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Show the training images that made a prediction: those that help and those that harm a test image."""
    execute("influence", locals())


def mislabels(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: TrainedModelOption = "mlp",
    share: ShareOption = None,
    labels: LabelsOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Find wrong labels by self-influence.

    Without --labels a share of the labels is flipped first. Labels are checked in the order of
    self-influence, of loss and at random; those found wrong are set right, and the model is trained again.
    """
    execute("mislabels", locals())


def prototypes(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: ModelOption = "mlp",
    named: ClassOption = None,
    count: PrototypeCountOption = 8,
    criticisms: CriticismsOption = 4,
    damping: DampingOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Show the training samples that together stand for what a model makes of a class."""
    execute("prototypes", locals())


def additive(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: StolenModelOption = "mlp",
    trusted: TrustedOption = False,
    named: ClassOption = None,
    student: StudentOption = "splines",
    pairs: PairsOption = 0,
    refits: RefitsOption = 20,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Explain a model as a whole by a sum of functions of single columns.

    Shown is how much of what the model says such a sum explains, what is not additive, and which columns
    count.
    """
    execute("additive", locals())


def counterfactuals(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: StolenModelOption = "mlp",
    trusted: TrustedOption = False,
    named: ClassOption = None,
    rows: RowCountOption = 10,
    fixed: FixedOption = None,
    generations: GenerationsOption = 175,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Say what would have to be otherwise for a model to name the wanted class."""
    execute("counterfactuals", locals())


def trees(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: StolenModelOption = "mlp",
    trusted: TrustedOption = False,
    named: ClassOption = None,
    groups: GroupsOption = 5,
    rows: TreeRowsOption = 500,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Draw local explanations together into groups, with an explanation of each.

    Shown is how much of what the model says so many groups explain, and what counts in each. Explanations are
    gradients, or LIME's slopes of a model that has none.
    """
    execute("trees", locals())
