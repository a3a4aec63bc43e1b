"""Compiles native/*.pyx into bearerd._native.  ``ASAN=1`` and ``BEARERD_TEST=1`` build into folders of their own.

``BEARERD_NATIVE=later``: nothing is compiled, for it is elsewhere at the same time (Makefile).
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SANITIZE = os.environ.get("ASAN") == "1"
TEST_HOOKS = SANITIZE or os.environ.get("BEARERD_TEST") == "1"
FOLDER = "build/" + ("asan" if SANITIZE else "test" if TEST_HOOKS else "release")

sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] if SANITIZE else []
optimise = ["-O1", "-g3", "-fno-omit-frame-pointer"] if SANITIZE else ["-O2", "-g1"]
hooks = ["-DBEARERD_TEST=1"] if TEST_HOOKS else []

# The .pxd files are listed too: they must travel in the sdist, and a changed one recompiles its users.
sources = sorted(str(path) for path in Path("src/bearerd/_native").glob("*.p[yx][xd]"))
modules = [source for source in sources if source.endswith(".pyx")]
if not modules:
    raise SystemExit("setup.py: no native sources under src/bearerd/_native: the source tree is incomplete")
if os.environ.get("BEARERD_NATIVE") == "later":
    modules = []


class ParallelBuild(build_ext):
    """Compiles the modules side by side."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


setup(
    ext_modules=cythonize(
        [
            Extension(
                "bearerd._native." + Path(module).stem,
                [module],
                depends=sources,
                extra_compile_args=optimise + sanitizers + hooks,
                extra_link_args=sanitizers,
            )
            for module in modules
        ],
        compiler_directives={
            "language_level": "3",
            "cdivision": True,
            "wraparound": False,
            "boundscheck": SANITIZE,
            "initializedcheck": SANITIZE,
            "auto_pickle": False,
            "autotestdict": False,
        },
        build_dir=FOLDER + "/cython",
        nthreads=os.cpu_count() or 1,
    ),
    cmdclass={"build_ext": ParallelBuild},
    options={"build": {"build_base": FOLDER}},
)
