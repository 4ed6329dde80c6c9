"""Worker processes of joblib that no earlier test has used."""

from joblib.externals.loky import get_reusable_executor


def new_processes():
    """Let go of workers that are kept for reuse.

    They leave by themselves when they have been idle for 300 seconds; work sent at that very moment can wait
    for ever, which a long run of tests on a busy machine once did.
    """
    get_reusable_executor().shutdown(wait=True)
