"""Copies requirements files without what must not run where there is a network.

usage: clean.py TARGET [-r|-c FILE | -p DIR | -x EXTRA]...

-p is for the directory of a package: what its pyproject.toml asks for, to run and
to be built, and for the extras that -x names before it.

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
ITSELF = re.compile(r"^\s*(?P<name>" + NAME + r")\s*\[(?P<extras>[^\]]*)\]")
WEB = re.compile(r"^https?://[^/\s]", re.I)
# Options of a whole file that say where packages are, with an address.
PLACES = {"-i": "--index-url", "--index-url": "--index-url", "--pypi-url": "--index-url",
          "--extra-index-url": "--extra-index-url", "-f": "--find-links", "--find-links": "--find-links"}
# Those that change nothing about what runs.
HARMLESS = {"--pre", "--prefer-binary", "--require-hashes", "--no-index"}


def fail(path, number, text):
    sys.exit("pip_get: %s%s: %s" % (path, ", line %d" % number if number else "", text))


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

    def project(self, dir, extras):
        path = os.path.normpath(os.path.join(dir, "pyproject.toml"))
        try:
            with open(path, encoding="utf-8") as f:
                data = parse(f.read())
        except FileNotFoundError:
            if not any(os.path.exists(os.path.join(dir, name)) for name in ("setup.py", "setup.cfg")):
                sys.exit("pip_get: there is no %s in the source tree" % path)
            sys.stderr.write("pip_get: without a pyproject.toml, nothing says what %s needs but its code: name that with the argument packages\n" % dir)
            data = {}
        except (OSError, ValueError) as e:
            sys.exit("pip_get: %s: %s" % (path, e))
        build, own = table(path, data, "build-system"), table(path, data, "project")
        if "dependencies" in own.get("dynamic", []):
            sys.stderr.write("pip_get: %s leaves its dependencies to code of the project: name them with the arguments requirements or packages\n" % path)
        optional = table(path, own, "optional-dependencies")
        wanted = [("build-system.requires", build.get("requires", ["setuptools", "wheel"])), ("project.dependencies", own.get("dependencies", []))]
        optional = {normal(name): value for name, value in optional.items()}
        extras = [normal(extra) for extra in extras]
        for extra in extras:
            if extra not in optional:
                sys.exit("pip_get: %s has no extra %s" % (path, extra))
            wanted.append(("project.optional-dependencies." + extra, optional[extra]))
            # An extra can name others by naming the package itself.
            for r in optional[extra] if isinstance(optional[extra], list) else []:
                itself = isinstance(r, str) and ITSELF.match(r)
                if itself and normal(itself.group("name")) == normal(str(own.get("name", ""))):
                    extras.extend(e for e in map(normal, itself.group("extras").split(",")) if e not in extras)
        for key, requirements in wanted:
            if not isinstance(requirements, list) or not all(isinstance(r, str) and "\n" not in r and "\r" not in r for r in requirements):
                sys.exit("pip_get: %s: %s is no list of requirements" % (path, key))
            for r in requirements:
                itself = ITSELF.match(r)
                if itself and normal(itself.group("name")) == normal(str(own.get("name", ""))):
                    continue
                if r.lstrip().startswith("-"):
                    sys.exit("pip_get: %s: %s: %s is no requirement" % (path, key, r))
                self.requirement(path + ": " + key, 0, r.strip(), False)


def normal(name):
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def parse(text):
    try:
        import tomllib
    except ImportError:
        from pip._vendor import tomli as tomllib
    return tomllib.loads(text)


def table(path, data, name):
    value = data.get(name, {})
    if not isinstance(value, dict):
        sys.exit("pip_get: %s: %s is no table" % (path, name))
    return value


def main(argv):
    target, files = argv[1], argv[2:]
    cleaner, extras = Cleaner(os.environ.get("AMBIENT_ALLOW_SDIST") == "1"), []
    for kind, path in zip(files[::2], files[1::2]):
        if kind == "-x":
            extras.append(path)
        elif kind == "-p":
            cleaner.project(path, extras)
        else:
            cleaner.file(path, kind == "-c")
    for name, constraint in ((target, False), (target + ".constraints", True)):
        with open(name, "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in cleaner.out[constraint])


main(sys.argv)
