"""An audit log written: durable before it is acknowledged, signed only as far as it was written here."""

from llmwatch.audit.writing.record import entry
from llmwatch.audit.writing.writer import AuditError, AuditWriter, EntryError, Receipt

__all__ = ["AuditError", "AuditWriter", "EntryError", "Receipt", "entry"]
