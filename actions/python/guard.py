"""Runs pip so that it can start no other program.

To build a package, or only to learn what it needs, pip starts programs: the
package's own. So none of it runs in a stage that has a network.
"""
import os
import runpy
import sys

STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn"}


def refuse(event, args):
    if event not in STARTS:
        return
    text = " ".join(map(str, args[:2]))
    # pip asks these for its name of this machine, and does without.
    if not any(name in text for name in ("lsb_release", "rustc", "uname")):
        sys.stderr.write("pip_get: a package has no wheel for this Python and machine, and building it runs its code: choose a version that has one, or set allow_sdist\n")
        sys.stderr.flush()
        os._exit(3)
    raise PermissionError("pip_get lets pip start no other program")


if os.environ.get("AMBIENT_ALLOW_SDIST") != "1":
    sys.addaudithook(refuse)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
