"""The report: who used which models, what failed, what it cost, and what nobody can vouch for."""

from llmwatch.evidence.report.facts import Report
from llmwatch.evidence.report.forms import ENDINGS, FORMS, write_report
from llmwatch.evidence.report.gather import make_report
from llmwatch.evidence.report.redaction import redacted

__all__ = ["ENDINGS", "FORMS", "Report", "make_report", "redacted", "write_report"]
