"""Commands that say what answers give away, and their options."""

from __future__ import annotations

from divulge.cli.execution import execute
from divulge.cli.options import (
    AgreementOption,
    AnswerListOption,
    AnswersOption,
    BudgetOption,
    CheckpointOption,
    CodeOption,
    CopyStepsOption,
    CountsOption,
    DataOption,
    DefenceListOption,
    DefenceOption,
    DomainOption,
    DtypeOption,
    ExperimentArgument,
    FigureOption,
    HiddenOption,
    ImagesOption,
    InputsOption,
    JsonOption,
    ModelOption,
    OracleOption,
    OutputOption,
    PlotOption,
    PriceOption,
    ReportJobsOption,
    ReportSeedsOption,
    ResultsOption,
    SeedOption,
    StolenModelOption,
    SurrogateOption,
    TargetOption,
    TrustedOption,
    VictimOption,
)


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
    jobs: ReportJobsOption = -1,
    output: OutputOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say which explanation an API may return, with which protection.

    For every kind of answer and defence: how many queries until a copy agrees with the model, until the model
    is rebuilt exactly, and how much of the explanation an honest user still sees.
    """
    execute("report", locals())


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
