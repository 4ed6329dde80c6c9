"""What arguments mean, wherever they occur.

A public function or constructor takes what it works on first, a module, a victim or an oracle; then its data;
then what names the thing asked for, such as a target, an attribution or a number of queries. Everything else
has a default and is passed by name. Three of these mean the same everywhere:

- `seed`, a whole number from 0: of everything random. The same seed gives the same result, whatever the
  number of threads and of jobs; no global random state is read or left changed.
- `jobs`, a whole number: processes at a time. 1 is the calling one, -1 is one a processor.
- `progress`, an `OnProgress` or None for silence. `reconstruct` alone, which cannot know how much is left,
  calls it with a `divulge.Progress`.
"""

from __future__ import annotations

from collections.abc import Callable

# Called with the parts of the work that are done and the number of all, after each part.
OnProgress = Callable[[int, int], None]


def check_jobs(jobs: int) -> None:
    """Raise ValueError for a number of processes that there cannot be."""
    if jobs != -1 and jobs < 1:
        raise ValueError(f"expected jobs of at least 1, or -1 for one a processor, got {jobs}")
