"""What the parts of a spec must say of each other: right alone, together they may not stand, or one has no say."""

from eulerstack.diagnostics import Diagnostic
from eulerstack.schema.check_schedule import check_schedule
from eulerstack.schema.check_sections import check_sections
from eulerstack.schema.check_templates import check_templates
from eulerstack.schema.findings import Findings
from eulerstack.schema.idle import find_idle
from eulerstack.schema.parts import Parts


def compatibility(parts: Parts) -> list[Diagnostic]:
    """Every contradiction between parts that could be read, and every key that has nothing to act on."""
    findings = Findings(parts.root)
    check_sections(parts, findings)
    check_templates(parts, findings)
    check_schedule(parts, findings)
    find_idle(parts, findings)
    return findings.diagnostics
