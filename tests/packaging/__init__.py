"""Tests of the wheel, as other projects install it."""
