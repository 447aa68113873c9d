"""Spans, diagnostics and the errors that carry them."""

from eulerstack.diagnostics.diagnostic import (
    REPORT_LIMIT,
    CompatibilityError,
    CompileError,
    Diagnostic,
    EulerStackError,
    NormalizationError,
    Severity,
    ValidationError,
    collect,
    error,
    in_text_order,
)
from eulerstack.diagnostics.reasons import Reason, reason, unexpected
from eulerstack.diagnostics.span import Source, Span
from eulerstack.diagnostics.suggest import nearest

__all__ = [
    "REPORT_LIMIT",
    "CompatibilityError",
    "CompileError",
    "Diagnostic",
    "EulerStackError",
    "NormalizationError",
    "Reason",
    "Severity",
    "Source",
    "Span",
    "ValidationError",
    "collect",
    "error",
    "in_text_order",
    "nearest",
    "reason",
    "unexpected",
]
