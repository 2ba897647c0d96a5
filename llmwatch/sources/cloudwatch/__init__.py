"""Log groups of Amazon CloudWatch as a source of lines. docs/cloudwatch.md says what is promised."""
