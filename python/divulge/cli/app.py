"""Commands and options; what they do is imported when they run, so that --help is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from divulge import __version__
from divulge.cli.execution import execute, run_app
from divulge.cli.options import (
    AgreementOption,
    AnswerListOption,
    AnswersOption,
    AttributionOption,
    BlockModelOption,
    BoundsOption,
    BudgetOption,
    CheckpointOption,
    ClassesOption,
    ClassifierOption,
    ClassOption,
    CodeOption,
    CopyStepsOption,
    CountsOption,
    CriticismsOption,
    DampingOption,
    DataOption,
    DefenceListOption,
    DefenceOption,
    DomainOption,
    DtypeOption,
    EpochsOption,
    ExperimentArgument,
    FigureOption,
    FixedOption,
    FolderOption,
    GenerationsOption,
    GroupsOption,
    HiddenOption,
    ImageCountOption,
    ImagesOption,
    InputsOption,
    JobsOption,
    JsonOption,
    LabelsOption,
    MethodOption,
    ModelOption,
    NetworkOption,
    NormOption,
    OracleOption,
    OutputOption,
    PairsOption,
    PlotOption,
    PositionOption,
    PriceOption,
    PrototypeCountOption,
    RadiusOption,
    RefitsOption,
    ReportSeedsOption,
    ResultsOption,
    RoarLevelsOption,
    RobustRadiusOption,
    RowCountOption,
    RunsOption,
    SamplesOption,
    SeedOption,
    ShareOption,
    SourceOption,
    StepsOption,
    StolenModelOption,
    StudentOption,
    SurrogateOption,
    TargetOption,
    TestOption,
    TopOption,
    TrainedModelOption,
    TrainingImagesOption,
    TreeRowsOption,
    TrustedOption,
    VictimOption,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Measure what a model's explanations give away."""
    if version:
        typer.echo(f"divulge {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit()


@app.command()
def reconstruct(
    data: DataOption = None,
    target: TargetOption = None,
    hidden: HiddenOption = None,
    victim: VictimOption = None,
    trusted: TrustedOption = False,
    dtype: DtypeOption = None,
    oracle: OracleOption = "gradient",
    seed: SeedOption = 0,
    budget: BudgetOption = None,
    domain: DomainOption = None,
    checkpoint: CheckpointOption = None,
    as_json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Reconstruct a trained network from its answers alone.

    Without options: train a classifier with one hidden layer on images of digits, hand the attack an
    oracle that answers with the value and the input gradient of one output, and compare what comes out
    with the original. A victim may have any number of hidden layers.
    """
    execute("reconstruct", locals())


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def sweep(
    experiment: ExperimentArgument,
    results: ResultsOption = None,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Run every combination of a grid of victims, oracles, defences and seeds.

    Finished runs are kept as Parquet files: after a crash the same command goes on where it stopped.
    """
    execute("sweep", locals())


@app.command()
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


@app.command()
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


@app.command()
def steal(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: StolenModelOption = "mlp",
    trusted: TrustedOption = False,
    oracle: AnswersOption = "gradient",
    defence: DefenceOption = "none",
    surrogate: SurrogateOption = "mlp",
    queries: CountsOption = "10,30,100,300",
    inputs: InputsOption = None,
    steps: CopyStepsOption = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Train a copy of a model on what its API would answer.

    Shown is for every number of queries how often the copy names the same class as the model.
    """
    execute("steal", locals())


@app.command()
def report(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: StolenModelOption = "mlp",
    trusted: TrustedOption = False,
    oracles: AnswerListOption = None,
    defences: DefenceListOption = None,
    budgets: CountsOption = "10,30,100,300",
    surrogate: SurrogateOption = "mlp",
    steps: CopyStepsOption = 500,
    seeds: ReportSeedsOption = 1,
    price: PriceOption = None,
    output: OutputOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say which explanation an API may return, with which protection.

    For every kind of answer and defence: how many queries until a copy agrees with the model, until the model
    is rebuilt exactly, and how much of the explanation an honest user still sees.
    """
    execute("report", locals())


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def bits(
    data: ImagesOption = "digits",
    target: TargetOption = None,
    model: ModelOption = "mlp",
    agreement: AgreementOption = 0.95,
    code: CodeOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say how many bits a model holds: the shortest code of a network that names the same classes."""
    execute("bits", locals())


@app.command()
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


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this installation is and whether it works: versions, back ends, threads, data, a self-test."""
    execute("doctor", locals())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_app(app, arguments))
