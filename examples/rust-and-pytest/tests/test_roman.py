"""The command line of roman, as its users meet it."""

import os
import subprocess

import pytest


def roman(*arguments):
    return subprocess.run([os.environ["ROMAN"], *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("number, text", [("4", "IV"), ("2026", "MMXXVI"), ("3999", "MMMCMXCIX")])
def test_numbers(number, text):
    result = roman(number)
    assert (result.returncode, result.stdout) == (0, text + "\n")


def test_several():
    assert roman("1", "2", "3").stdout.split() == ["I", "II", "III"]


@pytest.mark.parametrize("argument", ["0", "4000", "ten", "--help-me"])
def test_mistakes(argument):
    result = roman(argument)
    assert result.returncode == 1 and result.stderr.startswith("roman: ")
