"""Commands and options; what they do is imported when they run, so that --help is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from divulge import __version__

# Exit codes: a wrong argument or an incomplete result, and Ctrl-C as shells report it.
FAILED = 2
INTERRUPTED = 130


def _whole_number(text: str) -> int:
    """Read an option's value."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected a whole number, got {text!r}") from None


def _number(text: str) -> float:
    """Read an option's value."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r}") from None


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


DataOption = Annotated[
    str | None,
    typer.Option(
        metavar="digits|mnist|fashion-mnist|cifar10",
        help="Data set to train on and to compare on; digits unless a victim is given.",
    ),
]
HiddenOption = Annotated[
    int | None,
    typer.Option(
        parser=_whole_number, metavar="N", help="Hidden units of the victim that is trained; 32 by default."
    ),
]
VictimOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take this model apart instead: ONNX, or a .pt2 file of torch.export."),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        metavar="float32|float64", help="Precision of the victim that is trained; float64 by default."
    ),
]
SeedOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Seed of the training and of the attack.")
]
OracleOption = Annotated[
    str,
    typer.Option(
        metavar="gradient|value|probability",
        help="What an answer holds: a value and its input gradient, a value alone, or probabilities.",
    ),
]
LayersOption = Annotated[
    str, typer.Option(metavar="auto", help="Hidden layers to look for; auto: as many as the answers show.")
]
BudgetOption = Annotated[
    int | None, typer.Option(parser=_whole_number, metavar="N", help="The most queries that may be asked.")
]
DomainOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="Ask only about inputs whose entries all lie between these numbers; about any by default.",
    ),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keep every answer in this file; where it exists go on from it, and ask nothing twice.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")]
PlotOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Draw the units of victim and copy into this file (.png, .pdf, .svg)."),
]


@app.command()
def reconstruct(
    data: DataOption = None,
    hidden: HiddenOption = None,
    victim: VictimOption = None,
    dtype: DtypeOption = None,
    oracle: OracleOption = "gradient",
    layers: LayersOption = "auto",
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
    _execute("reconstruct", locals())


ModelOption = Annotated[
    str,
    typer.Option(
        metavar="logistic|mlp|FILE",
        help="Train softmax regression or 64 hidden units, or take this ONNX or .pt2 file.",
    ),
]
TrainedModelOption = Annotated[
    str, typer.Option(metavar="logistic|mlp", help="Train softmax regression or 64 hidden units.")
]
ImagesOption = Annotated[
    str, typer.Option(metavar="digits|mnist|fashion-mnist|cifar10", help="Data set to train and test on.")
]
TestOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Number of the test image, from 0.")
]
TopOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="K", help="Training images to show of either kind.")
]
DampingOption = Annotated[
    float | None,
    typer.Option(
        parser=_number,
        metavar="X",
        help="Added to the curvature's diagonal; 0 for logistic, else 0.01 by default.",
    ),
]
TrainingSeedOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Seed of everything random.")
]
ShareOption = Annotated[
    float | None,
    typer.Option(parser=_number, metavar="X", help="Share of the labels that are flipped, 0.1 by default."),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take these labels instead, n whole numbers in a .npy file."),
]
FigureOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw a figure into this file (.png, .pdf, .svg).")
]


@app.command()
def influence(
    data: ImagesOption = "digits",
    model: ModelOption = "mlp",
    test: TestOption = 8,
    top: TopOption = 10,
    damping: DampingOption = None,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Show the training images that made a prediction: those that help and those that harm a test image."""
    _execute("influence", locals())


@app.command()
def mislabels(
    data: ImagesOption = "digits",
    model: TrainedModelOption = "mlp",
    share: ShareOption = None,
    labels: LabelsOption = None,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Find wrong labels by self-influence.

    Without --labels a share of the labels is flipped first. Labels are checked in the order of
    self-influence, of loss and at random; those found wrong are set right, and the model is trained again.
    """
    _execute("mislabels", locals())


BlockModelOption = Annotated[str, typer.Option(metavar="cnn|mlp", help="What is trained.")]
PositionOption = Annotated[
    str, typer.Option(metavar="random|top|bottom", help="Where the digit is in the stack.")
]
AttributionOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="gradient, gradient_times_input, smoothgrad, integrated_gradients or random.",
    ),
]
RadiusOption = Annotated[
    float | None,
    typer.Option(
        parser=_number, metavar="X", help="Of the l2 ball that the robust model is trained against."
    ),
]
ImageCountOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="The most images taken of either part.")
]


@app.command()
def blockmnist(
    data: ImagesOption = "mnist",
    model: BlockModelOption = "cnn",
    position: PositionOption = "random",
    attribution: AttributionOption = "gradient",
    radius: RadiusOption = None,
    images: ImageCountOption = 6000,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Ask how much of a gradient falls where nothing can be known.

    Digits 0 and 1 are stacked with a block that is the same in all images. A standard and an adversarially
    trained model learn to tell them apart; shown is the share of the largest attributions in that block.
    """
    _execute("blockmnist", locals())


RoarLevelsOption = Annotated[
    str, typer.Option(metavar="P,P", help="Shares of the pixels that are kept, in percent.")
]
RunsOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Repetitions, each with a seed of its own.")
]
RobustRadiusOption = Annotated[
    float,
    typer.Option(
        parser=_number, metavar="X", help="Train the models against an adversary in a ball of this radius."
    ),
]
NormOption = Annotated[str, typer.Option(metavar="linf|l2", help="Of that ball.")]
TrainingImagesOption = Annotated[
    int | None,
    typer.Option(parser=_whole_number, metavar="N", help="The most training images taken; all by default."),
]
EpochsOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Passes over the images in each training.")
]
JobsOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Trainings at a time; -1: one a processor.")
]
FolderOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Keep finished trainings here, and go on from those it holds."),
]


@app.command()
def diffroar(
    data: ImagesOption = "digits",
    model: BlockModelOption = "cnn",
    attribution: AttributionOption = "gradient",
    levels: RoarLevelsOption = "5,10,20,50",
    runs: RunsOption = 3,
    radius: RobustRadiusOption = 0.0,
    norm: NormOption = "linf",
    images: TrainingImagesOption = None,
    epochs: EpochsOption = 10,
    jobs: JobsOption = 1,
    folder: FolderOption = None,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Ask whether a gradient points at what a model needs.

    Models are trained again on the pixels that the attribution ranks first, and on those it ranks last.
    Above zero, the difference of their test accuracies says that the ranking finds what discriminates.
    """
    _execute("diffroar", locals())


ExperimentArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A TOML file that says what to run.")
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Keep finished runs here; by default beside FILE, with the suffix .results."
    ),
]


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
    _execute("sweep", locals())


ClassifierOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The classifier: ONNX, a .pt2 file of torch.export, or a .pth file of published weights.",
    ),
]
ClassesOption = Annotated[
    str, typer.Option(metavar="all|K,K,...", help="The classes to draw, all or some by their numbers.")
]
StepsOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="The most steps that a map may take.")
]
SamplesOption = Annotated[
    str | None,
    typer.Option(
        metavar="digits|mnist|fashion-mnist|cifar10",
        help="Try triggers on this data set's test images; on noise by default.",
    ),
]
MethodOption = Annotated[
    str, typer.Option(metavar="agnostic|neural-cleanse", help="How triggers are looked for.")
]


@app.command()
def saliency(
    victim: ClassifierOption = None,
    classes: ClassesOption = "all",
    steps: StepsOption = 100,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Draw what a classifier holds of each class, from no input at all."""
    _execute("saliency", locals())


@app.command()
def backdoor(
    victim: ClassifierOption = None,
    data: SamplesOption = None,
    method: MethodOption = "agnostic",
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Look for a class that a small trigger reaches, whatever the image: a backdoor."""
    _execute("backdoor", locals())


StolenModelOption = Annotated[
    str,
    typer.Option(
        metavar="logistic|mlp|cnn|FILE", help="The victim: trained here, or a file *.onnx or *.pt2."
    ),
]
AnswersOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What an answer holds: label, probability, value, gradient, smoothgrad, integrated_gradients, "
        "saliency, input_times_gradient or jacobian.",
    ),
]
DefenceOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="How answers are changed: rounded:DECIMALS, bits:N, noisy:SIGMA, fixed_noise:SIGMA, top:K, "
        "clipped:LIMIT, sign or normalized, several joined by +.",
    ),
]
SurrogateOption = Annotated[str, typer.Option(metavar="linear|mlp|cnn", help="What the copy is.")]
CountsOption = Annotated[
    str, typer.Option(metavar="N,N", help="Numbers of queries, each with a copy of its own.")
]
InputsOption = Annotated[
    str | None,
    typer.Option(
        metavar="data|gaussian|mixed|adaptive",
        help="What is asked about; by default data for labels and probabilities, else mixed.",
    ),
]
CopyStepsOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Steps of each copy's training.")
]


@app.command()
def steal(
    data: ImagesOption = "digits",
    model: StolenModelOption = "mlp",
    oracle: AnswersOption = "gradient",
    defence: DefenceOption = "none",
    surrogate: SurrogateOption = "mlp",
    queries: CountsOption = "10,30,100,300",
    inputs: InputsOption = None,
    steps: CopyStepsOption = 1000,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
    plot: FigureOption = None,
) -> None:
    """Train a copy of a model on what its API would answer.

    Shown is for every number of queries how often the copy names the same class as the model.
    """
    _execute("steal", locals())


AnswerListOption = Annotated[
    str, typer.Option(metavar="NAME,NAME", help="Kinds of answers that are compared.")
]
DefenceListOption = Annotated[str, typer.Option(metavar="NAME,NAME", help="Defences that are compared.")]
OutputOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the report to this file as one HTML page.")
]


@app.command()
def report(
    data: ImagesOption = "digits",
    model: StolenModelOption = "mlp",
    oracles: AnswerListOption = "label,probability,gradient,smoothgrad",
    defences: DefenceListOption = "none,rounded:2,top:10",
    budgets: CountsOption = "10,30,100,300",
    surrogate: SurrogateOption = "mlp",
    steps: CopyStepsOption = 500,
    output: OutputOption = None,
    seed: TrainingSeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say which explanation an API may return, with which protection.

    For every kind of answer and defence: how many queries until a copy agrees with the model, until the model
    is rebuilt exactly, and how much of the explanation an honest user still sees.
    """
    _execute("report", locals())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> Any:
    """Run the command line; whatever goes wrong becomes one sentence on standard error and an exit code."""
    try:
        return app(arguments, standalone_mode=False)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # a wrong option or argument
        if usage is not None:
            return _fail(usage(), FAILED)
        from divulge.errors import DivulgeError

        if isinstance(error, (DivulgeError, ValueError, OSError)):
            return _fail(str(error), FAILED)
        raise


def _execute(command: str, options: dict[str, Any]) -> None:
    """Run the command of the module divulge.cli.COMMAND with its options, and exit with its code."""
    try:
        module = import_module(f"divulge.cli.{command}")
        code = module.run(module.Options(**options))
    except KeyboardInterrupt:
        code = _fail("interrupted", INTERRUPTED)
    raise typer.Exit(code)


def _fail(message: str, code: int) -> int:
    """Print one sentence on standard error and return the exit code."""
    typer.echo(f"divulge: {' '.join(message.split())}", err=True)
    return code
