"""Which explanation an API may return: leak curves of every answer and defence, as a table and a page."""

from divulge.report.leaks import LeakReport, leak_report

__all__ = ["LeakReport", "leak_report"]
