"""The command line's options, each written once for all commands that take it.

Defaults stand in the commands; those that depend on other options are None there, and stand here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from divulge.cli import values
from divulge.names import NORMS, POSITIONS, PRECISIONS, QUERIES, SCANS

MODELS = ("logistic", "mlp")  # trained here
STOLEN_MODELS = (*MODELS, "cnn")
_DATA_SETS = "digits|mnist|fashion-mnist|cifar10|FILE"
DATA, HIDDEN, DTYPE = "digits", 32, "float64"  # of a victim that is trained here
SHARE = 0.1  # of the labels, flipped where none are given
# Of the curvature's diagonal, beside the weight decay: a network's curvature is close to singular.
DAMPING = {"logistic": 0.0, "mlp": 0.01}
MOST_SEED = 2**63 - 1  # torch takes no larger one


def _choice(names: tuple[str, ...], help: str, **more: Any) -> Any:
    return typer.Option(parser=values.one_of(names), metavar="|".join(names), help=help, **more)


def _whole(least: int, help: str, metavar: str = "N", **more: Any) -> Any:
    return typer.Option(parser=values.whole(least), metavar=metavar, help=help, **more)


def _number(help: str, **more: Any) -> Any:
    return typer.Option(parser=values.number(0.0), metavar="X", help=help, **more)


def _file(parser: Any, help: str, metavar: str = "FILE") -> Any:
    return typer.Option(parser=parser, metavar=metavar, help=help)


def _named(registry: str) -> Any:
    """Return a reader of what a registry of the library knows, with its parameters; it is imported then."""

    def read(text: str) -> str:
        from divulge.cli import registries

        return values.entry_of(getattr(registries, registry)())(text)

    return read


def _by_name(registry: str, help: str, metavar: str = "NAME", **more: Any) -> Any:
    return typer.Option(parser=_named(registry), metavar=metavar, help=help, **more)


def _data(help: str, **more: Any) -> Any:
    return typer.Option(parser=_data_set, metavar=_DATA_SETS, help=help, **more)


def _data_set(text: str) -> str:
    from divulge.cli import registries

    return values.name_or_data(registries.data_sets())(text)


def _block_network(text: str) -> str:
    from divulge.cli import registries

    return values.one_of(registries.block_networks())(text)


def _defence(text: str) -> str:
    from divulge.cli import registries

    try:
        registries.check_defence(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _seed(help: str) -> Any:
    return typer.Option(parser=values.whole(0, MOST_SEED), metavar="N", help=help)


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")]
SeedOption = Annotated[int, _seed("Seed of everything random.")]
ImagesOption = Annotated[str, _data("Data set to train and test on, or a file or folder of one's own.")]
TargetOption = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The column of --data FILE that holds the class."),
]
TrustedOption = Annotated[
    bool,
    typer.Option(
        "--trusted", help="Run what is written in a model file *.joblib, *.pkl or *.pt: its maker is known."
    ),
]
FigureOption = Annotated[
    Path | None, _file(values.picture, "Draw a figure into this file (.png, .pdf, .svg).")
]
JobsOption = Annotated[
    int,
    typer.Option(parser=values.jobs, metavar="N", help="Trainings at a time; -1: one a processor."),
]
ReportJobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        parser=values.jobs,
        metavar="N",
        help="Explanations measured at a time; -1: one a processor.",
    ),
]

# reconstruct
DataOption = Annotated[
    str | None,
    _data(
        "Data set to train on and to compare on, or a file or folder of one's own.",
        show_default=f"{DATA} unless a victim is given",
    ),
]
HiddenOption = Annotated[
    int | None, _whole(1, "Hidden units of the victim that is trained.", show_default=str(HIDDEN))
]
VictimOption = Annotated[
    Path | None,
    _file(
        values.present(*values.MODEL_SUFFIXES, *values.TRUSTED_SUFFIXES),
        "Take this model apart instead: ONNX, or a .pt2 file of torch.export; with --trusted also *.joblib, "
        "*.pkl or *.pt.",
    ),
]
DtypeOption = Annotated[
    str | None, _choice(PRECISIONS, "Precision of the victim that is trained.", show_default=DTYPE)
]
OracleOption = Annotated[
    str,
    _by_name(
        "answers",
        "What an answer holds: gradient (and a value), value, probability, or another answer that holds "
        "values, such as saliency.",
    ),
]
BudgetOption = Annotated[int | None, _whole(0, "The most queries that may be asked.")]
DomainOption = Annotated[
    Any,
    typer.Option(
        parser=values.box,
        metavar="LOW,HIGH",
        help="Ask only about inputs whose entries all lie between these numbers; about any by default.",
    ),
]
CheckpointOption = Annotated[
    Path | None,
    _file(
        values.new(), "Keep every answer in this file; where it exists go on from it, and ask nothing twice."
    ),
]
PlotOption = Annotated[
    Path | None,
    _file(values.picture, "Draw the units of victim and copy into this file (.png, .pdf, .svg)."),
]

# influence and mislabels
ModelOption = Annotated[
    str,
    typer.Option(
        parser=values.name_or_model(MODELS),
        metavar="|".join((*MODELS, "FILE")),
        help="Train softmax regression or one hidden layer, or take this ONNX or .pt2 file.",
    ),
]
TrainedModelOption = Annotated[str, _choice(MODELS, "Train softmax regression or one hidden layer.")]
TestOption = Annotated[int, _whole(0, "Number of the test image, from 0.")]
TopOption = Annotated[int, _whole(1, "Training images to show of either kind.", "K")]
DampingOption = Annotated[
    float | None,
    _number(
        "Added to the curvature's diagonal.",
        show_default=f"{DAMPING['logistic']:g} for logistic, else {DAMPING['mlp']:g}",
    ),
]
ShareOption = Annotated[
    float | None,
    typer.Option(
        parser=values.share,
        metavar="X",
        help="Share of the labels that are flipped.",
        show_default=str(SHARE),
    ),
]
LabelsOption = Annotated[
    Path | None,
    _file(values.present(".npy"), "Take these labels instead, n whole numbers in a .npy file."),
]

# blockmnist and diffroar
BlockModelOption = Annotated[
    str, typer.Option(parser=_block_network, metavar="patch_cnn|mlp:512", help="What is trained.")
]
NetworkOption = Annotated[
    str, _by_name("networks", "What is trained: linear, mlp, mlp:64x32, cnn, strided_cnn or patch_cnn.")
]
PositionOption = Annotated[str, _choice(POSITIONS, "Where the digit is in the stack.")]
AttributionOption = Annotated[
    str,
    _by_name(
        "attributions",
        "gradient, saliency, input_times_gradient, smoothgrad, smoothgrad:samples=10, integrated_gradients, "
        "exact_integrated_gradients, grad_cam, shap, lime, occlusion, heat_map or random.",
    ),
]
RadiusOption = Annotated[float | None, _number("Of the l2 ball that the robust model is trained against.")]
ImageCountOption = Annotated[int, _whole(1, "The most images taken of either part.")]
RoarLevelsOption = Annotated[
    Any,
    typer.Option(
        parser=values.listed(values.percent, "shares in percent such as 5,10,20"),
        metavar="P,P",
        help="Shares of the pixels that are kept, in percent.",
    ),
]
RunsOption = Annotated[int, _whole(1, "Repetitions, each with a seed of its own.")]
RobustRadiusOption = Annotated[
    float, _number("Train the models against an adversary in a ball of this radius.")
]
NormOption = Annotated[str, _choice(NORMS, "Of that ball.")]
TrainingImagesOption = Annotated[int | None, _whole(1, "The most training images taken; all by default.")]
EpochsOption = Annotated[int, _whole(1, "Passes over the images in each training.")]
FolderOption = Annotated[
    Path | None,
    _file(values.folder, "Keep finished trainings here, and go on from those it holds.", "FOLDER"),
]

# sweep
ExperimentArgument = Annotated[
    Path, typer.Argument(parser=values.present(), metavar="FILE", help="A TOML file that says what to run.")
]
ResultsOption = Annotated[
    Path | None,
    _file(
        values.folder, "Keep finished runs here; by default beside FILE, with the suffix .results.", "FOLDER"
    ),
]

# saliency and backdoor
ClassifierOption = Annotated[
    Path,
    _file(
        values.present(*values.MODEL_SUFFIXES, ".pth"),
        "The classifier: ONNX, a .pt2 file of torch.export, or a .pth file of published weights.",
    ),
]
ClassesOption = Annotated[
    Any,
    typer.Option(
        parser=values.classes,
        metavar="all|K,K,...",
        help="The classes to draw, all or some by their numbers.",
    ),
]
StepsOption = Annotated[int, _whole(1, "The most steps that a map may take.")]
SamplesOption = Annotated[
    str | None,
    _data("Try triggers on this data set's test images; on noise by default."),
]
MethodOption = Annotated[str, _choice(SCANS, "How triggers are looked for.")]
BoundsOption = Annotated[
    Any,
    typer.Option(
        parser=values.box,
        metavar="LOW,HIGH",
        help="Smallest and largest value of an input; 0,1 by default.",
    ),
]
SourceOption = Annotated[
    int | None, _whole(0, "Look for backdoors from images of this class alone; needs --data.", "K")
]

# steal and report
StolenModelOption = Annotated[
    str,
    typer.Option(
        parser=values.name_or_model(STOLEN_MODELS, values.TRUSTED_SUFFIXES),
        metavar="|".join((*STOLEN_MODELS, "FILE")),
        help="The victim: trained here, or a file *.onnx or *.pt2; with --trusted *.joblib, *.pkl or *.pt.",
    ),
]
AnswersOption = Annotated[
    str,
    _by_name(
        "answers",
        "What an answer holds: label, probability, value, gradient, smoothgrad, integrated_gradients, "
        "exact_integrated_gradients, grad_cam, shap, kernel_shap, lime, lime_tabular, lime_image, "
        "occlusion, heat_map, saliency, input_times_gradient, counterfactual, rule or jacobian, with "
        "parameters as in smoothgrad:samples=10,noise=0.2.",
    ),
]
DefenceOption = Annotated[
    str,
    typer.Option(
        parser=_defence,
        metavar="NAME",
        help="How answers are changed: none, rounded:DECIMALS, rounded:bits=N, noisy:SIGMA, private:EPSILON, "
        "top:K, grouped:K, clipped:LIMIT, sign, normalized, cached:STEP, budget:N or prada, several joined "
        "by +.",
    ),
]
SurrogateOption = Annotated[
    str, _by_name("networks", "What the copy is: linear, mlp, mlp:64x32, cnn and others.")
]
CountsOption = Annotated[
    Any,
    typer.Option(
        parser=values.listed(values.whole(1), "whole numbers from 1 on such as 10,100"),
        metavar="N,N",
        help="Numbers of queries, each with a copy of its own.",
    ),
]
InputsOption = Annotated[
    str | None,
    _choice(QUERIES, "What is asked about; by default data for labels and probabilities, else mixed."),
]
ReportSeedsOption = Annotated[int, _whole(1, "Seeds to measure with; of several the table has medians.")]
PriceOption = Annotated[
    Any,
    typer.Option(parser=values.number(0), metavar="MONEY", help="Money for one query, shown beside queries."),
]
CopyStepsOption = Annotated[int, _whole(1, "Steps of each copy's training.")]
AnswerListOption = Annotated[
    Any,
    typer.Option(
        parser=values.listed(_named("answers"), "kinds of answers"),
        metavar="NAME,NAME",
        help="Kinds of answers that are compared.",
        show_default="label,probability,gradient,smoothgrad; of tables shap,lime,counterfactual,gradient",
    ),
]
DefenceListOption = Annotated[
    Any,
    typer.Option(
        parser=values.listed(_defence, "defences"),
        metavar="NAME,NAME",
        help="Defences that are compared.",
        show_default="none,rounded:2,top:10; of fewer than 30 numbers a third",
    ),
]
OutputOption = Annotated[
    Path | None, _file(values.new(".html", ".htm"), "Write the report to this file as one HTML page.")
]

# additive, counterfactuals and trees
ClassOption = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="The class that is explained, or wanted, as the data name it.",
        show_default="the second",
    ),
]
StudentOption = Annotated[
    str, _choice(("splines", "trees", "ebm"), "What is fitted; ebm needs the package interpret.")
]
PairsOption = Annotated[int, _whole(0, "Pairs of columns that have a term of their own.")]
RefitsOption = Annotated[int, _whole(0, "Bootstraps of the rows, for intervals.")]
RowCountOption = Annotated[int, _whole(1, "Test rows that are changed, the first of another class.")]
FixedOption = Annotated[
    str | None, typer.Option(metavar="COLUMN,COLUMN", help="Columns that may not change.")
]
GroupsOption = Annotated[int, _whole(1, "Groups of the level that is shown.", "K")]
TreeRowsOption = Annotated[int, _whole(3, "Training rows whose explanations are drawn together, the first.")]
GenerationsOption = Annotated[int, _whole(0, "Generations of the search.")]

# bits and prototypes
AgreementOption = Annotated[
    float,
    typer.Option(parser=values.share, metavar="X", help="Share of test inputs with the same class."),
]
CodeOption = Annotated[
    Path | None,
    _file(values.new(), "Write the model into this file, in the bits it holds and its form."),
]
PrototypeCountOption = Annotated[int, _whole(1, "The most prototypes.", "K")]
CriticismsOption = Annotated[int, _whole(0, "Samples to name that the prototypes speak for least.", "K")]
