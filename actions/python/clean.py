"""Copies requirements files without what must not run where there is a network.

usage: clean.py TARGET [-r|-c FILE]...

It writes TARGET, one list of requirements with everything that the files
include, and TARGET.constraints. What it can not take it says on stderr and ends
with status 1. It leaves out nothing in silence.
"""
import os
import re
import sys

MAX_FILES = 100
NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
REQUIREMENT = re.compile(r"^" + NAME + r"\s*(\[[^\]]*\])?\s*($|[<>=!~;(@,])")
DIRECT = re.compile(r"^" + NAME + r"\s*(\[[^\]]*\])?\s*@\s*(?P<url>\S+)")
WEB = re.compile(r"^https?://[^/\s]", re.I)
# Options of a whole file that say where packages are, with an address.
PLACES = {"-i": "--index-url", "--index-url": "--index-url", "--pypi-url": "--index-url",
          "--extra-index-url": "--extra-index-url", "-f": "--find-links", "--find-links": "--find-links"}
# Those that change nothing about what runs.
HARMLESS = {"--pre", "--prefer-binary", "--require-hashes", "--no-index"}


def fail(path, number, text):
    sys.exit("pip_get: %s, line %d: %s" % (path, number, text))


def lines(path):
    """The logical lines of a file with the number of their first one."""
    try:
        with open(path, encoding="utf-8-sig") as f:
            text = f.read()
    except FileNotFoundError:
        sys.exit("pip_get: there is no file %s in the source tree" % path)
    except (OSError, UnicodeError) as e:
        sys.exit("pip_get: %s: %s" % (path, e))
    whole, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if whole else number
        if line.endswith("\\") and not re.match(r"\s*#", line):
            whole += line[:-1]
            continue
        whole = re.sub(r"(^|\s+)#.*$", "", whole + line).strip()
        if whole:
            yield first, whole
        whole = ""
    if whole.strip():
        yield first, whole.strip()


class Cleaner:
    def __init__(self, sdists):
        self.sdists, self.seen = sdists, set()
        self.out = {False: [], True: []}

    def file(self, path, constraint):
        path = os.path.normpath(path)
        if os.path.isabs(path) or path.startswith("..") or os.path.realpath(path) != os.path.join(os.path.realpath("."), path):
            sys.exit("pip_get: %s is not a file below the source tree" % path)
        if (path, constraint) in self.seen:
            return
        self.seen.add((path, constraint))
        if len(self.seen) > MAX_FILES:
            sys.exit("pip_get: more than %d requirements files" % MAX_FILES)
        for number, line in lines(path):
            self.line(path, number, line, constraint)

    def line(self, path, number, line, constraint):
        if not line.startswith("-"):
            self.requirement(path, number, line, constraint)
            return
        option, _, value = re.sub(r"^(--?[A-Za-z-]+)[\s=]+", r"\1 ", line).partition(" ")
        value = value.strip()
        glued = re.match(r"^-([ircfe])(?!\s)(.+)$", option)
        if glued:
            option, value = "-" + glued.group(1), (glued.group(2) + " " + value).strip()
        if option in ("-r", "--requirement", "-c", "--constraint"):
            self.file(os.path.join(os.path.dirname(path), value), constraint or option in ("-c", "--constraint"))
        elif option in PLACES:
            if not WEB.match(value) or "@" in value.split("/")[2]:
                fail(path, number, "%s must be an http or https address without a password" % option)
            self.out[False].append("%s %s" % (PLACES[option], value))
        elif option in HARMLESS and not value:
            self.out[False].append(option)
        elif option == "--only-binary":
            self.out[False].append("%s %s" % (option, value))
        elif option == "--no-binary" and self.sdists:
            self.out[False].append("%s %s" % (option, value))
        elif option in ("-e", "--editable"):
            fail(path, number, "an editable requirement is code of the project, which can not run where there is a network: take it out, and have pip_install install the project")
        elif option == "--no-binary":
            fail(path, number, "building a package runs its code: take --no-binary out, or set allow_sdist")
        else:
            fail(path, number, "the option %s is not allowed here" % option)

    def requirement(self, path, number, line, constraint):
        direct = DIRECT.match(line)
        if direct:
            url = direct.group("url")
            if not WEB.match(url):
                fail(path, number, "only http and https addresses are possible: %s would run code where there is a network" % line)
            if not self.sdists and not re.sub(r"[?#].*$", "", url).endswith(".whl"):
                fail(path, number, "only an address of a wheel is possible: what has to be built runs its code. Or set allow_sdist")
        elif not REQUIREMENT.match(line):
            fail(path, number, "only packages by name are possible: a directory, archive or repository would run its code where there is a network: %s" % line)
        self.out[constraint].append(line)


def main(argv):
    target, files = argv[1], argv[2:]
    cleaner = Cleaner(os.environ.get("AMBIENT_ALLOW_SDIST") == "1")
    for kind, path in zip(files[::2], files[1::2]):
        cleaner.file(path, kind == "-c")
    for name, constraint in ((target, False), (target + ".constraints", True)):
        with open(name, "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in cleaner.out[constraint])


main(sys.argv)
