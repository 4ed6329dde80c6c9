"""Which explanation an API may return: leak curves of every answer and defence, as a table and a page."""

from divulge.report.leaks import leak_report
from divulge.report.result import LeakReport

__all__ = ["LeakReport", "leak_report"]
