"""Builders of test input: whole fake roots and the files of a kernel, made in code.

Tests import them as ``from builders.root import FakeRoot``.
"""
