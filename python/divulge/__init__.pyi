# What `import divulge` offers: __init__.py reads here what to load when it is first used.

from . import (
    backdoors as backdoors,
    cli as cli,
    comparison as comparison,
    datasets as datasets,
    errors as errors,
    evaluation as evaluation,
    influence as influence,
    oracles as oracles,
    plots as plots,
    reconstruction as reconstruction,
    reference as reference,
    report as report,
    saliency as saliency,
    surrogate as surrogate,
    sweep as sweep,
    tensors as tensors,
    training as training,
    victims as victims,
)
from ._core import (
    __version__ as __version__,
)
from .comparison import (
    Comparison as Comparison,
    LayerComparison as LayerComparison,
    compare as compare,
)
from .config import (
    build_config as build_config,
    set_threads as set_threads,
    threads as threads,
)
from .errors import (
    BudgetExhausted as BudgetExhausted,
    CheckpointError as CheckpointError,
    DivulgeError as DivulgeError,
    NotPiecewiseLinear as NotPiecewiseLinear,
    OracleError as OracleError,
    UnsupportedModel as UnsupportedModel,
)
from .influence import (
    Influence as Influence,
)
from .oracles import (
    Budget as Budget,
    CallableOracle as CallableOracle,
    Clipped as Clipped,
    Defence as Defence,
    GradientOracle as GradientOracle,
    InputTimesGradientOracle as InputTimesGradientOracle,
    IntegratedGradientsOracle as IntegratedGradientsOracle,
    JacobianOracle as JacobianOracle,
    LabelOracle as LabelOracle,
    Ledger as Ledger,
    LogOdds as LogOdds,
    Noisy as Noisy,
    Normalized as Normalized,
    Oracle as Oracle,
    Prada as Prada,
    ProbabilityOracle as ProbabilityOracle,
    Rounded as Rounded,
    SaliencyOracle as SaliencyOracle,
    SignOnly as SignOnly,
    SmoothGradOracle as SmoothGradOracle,
    TopK as TopK,
    ValueOracle as ValueOracle,
)
from .reconstruction import (
    Progress as Progress,
    Reconstruction as Reconstruction,
    reconstruct as reconstruct,
    reconstruct_many as reconstruct_many,
)
from .report import (
    LeakReport as LeakReport,
    leak_report as leak_report,
)
from .surrogate import (
    Stolen as Stolen,
    steal as steal,
)
from .victims import (
    Victim as Victim,
)
