"""What a reconstruction has to say beyond its figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class NoteKind(Enum):
    """What a note is about.

    STOPPED: the search ended before its end: the budget, a failing oracle.
    INTERRUPTED: the user pressed Ctrl-C.
    REFUSED: the attack raised an error about this one of many victims.
    NOISE: answers differ by more than rounding, and what that may hide.
    UNEXPLAINED: fresh answers are not explained by what was found.
    SIDES: it is not known on which side some units are active.
    AFFINE_PART: an affine part remains beside the hidden units.
    PASSAGE: what comes into a hidden layer is handed on beside its units.
    UNSEEN_WEIGHTS: weights that no input found shows.
    DOMAIN: what queries in a box, or no further out than probabilities are told, cannot show.
    OUTPUT_BIASES: gradients alone do not show them.
    CHECKPOINT: the file of answers ends before the attack.
    EARLIER_QUERIES: queries asked before this attempt.
    """

    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    NOISE = "noise"
    UNEXPLAINED = "unexplained"
    SIDES = "sides"
    AFFINE_PART = "affine part"
    PASSAGE = "passage"
    UNSEEN_WEIGHTS = "unseen weights"
    DOMAIN = "domain"
    OUTPUT_BIASES = "output biases"
    CHECKPOINT = "checkpoint"
    EARLIER_QUERIES = "earlier queries"


@dataclass(frozen=True)
class Note:
    """A sentence on what was found beyond the plain case, or why a search ended early.

    Attributes:
        kind: what it is about.
        sentence: what there is to say.
    """

    kind: NoteKind
    sentence: str

    def __str__(self) -> str:
        return self.sentence
