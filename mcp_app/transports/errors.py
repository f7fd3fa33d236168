"""Errors of the transport: each with its HTTP status and its JSON-RPC code, mapped here and nowhere else."""

from __future__ import annotations
