"""What Evermoon costs, beside the Temporal SDKs of Python and TypeScript: ``python -m bench`` (see docs/performance.md)."""
