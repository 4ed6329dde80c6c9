"""The command line's options, each written once for all commands that take it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
        metavar="NAME",
        help="What an answer holds: gradient (and a value), value, probability, or another answer that "
        "holds values, such as saliency.",
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
BlockModelOption = Annotated[str, typer.Option(metavar="patch_cnn|mlp:512", help="What is trained.")]
NetworkOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="What is trained: linear, mlp, mlp:64x32, cnn, strided_cnn or patch_cnn."
    ),
]
PositionOption = Annotated[
    str, typer.Option(metavar="random|top|bottom", help="Where the digit is in the stack.")
]
AttributionOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="gradient, saliency, input_times_gradient, smoothgrad, smoothgrad:samples=10, "
        "integrated_gradients or random.",
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
ExperimentArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A TOML file that says what to run.")
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Keep finished runs here; by default beside FILE, with the suffix .results."
    ),
]
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
        "saliency, input_times_gradient or jacobian, with parameters as in smoothgrad:samples=10,noise=0.2.",
    ),
]
DefenceOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="How answers are changed: none, rounded:DECIMALS, rounded:bits=N, noisy:SIGMA, top:K, "
        "clipped:LIMIT, sign, normalized, budget:N or prada, several joined by +.",
    ),
]
SurrogateOption = Annotated[
    str, typer.Option(metavar="NAME", help="What the copy is: linear, mlp, mlp:64x32 or cnn.")
]
CountsOption = Annotated[
    str, typer.Option(metavar="N,N", help="Numbers of queries, each with a copy of its own.")
]
InputsOption = Annotated[
    str | None,
    typer.Option(
        metavar="data|gaussian|mixed|spread|adaptive",
        help="What is asked about; by default data for labels and probabilities, else mixed.",
    ),
]
CopyStepsOption = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Steps of each copy's training.")
]
AnswerListOption = Annotated[
    str, typer.Option(metavar="NAME,NAME", help="Kinds of answers that are compared.")
]
DefenceListOption = Annotated[str, typer.Option(metavar="NAME,NAME", help="Defences that are compared.")]
OutputOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the report to this file as one HTML page.")
]
