"""JSON-RPC batches: sessions of 2025-03-26 have them, as that revision demands; no other revision does."""

from __future__ import annotations
