"""What plugins test their code with that travels with exports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.export.travel import file_of, files_with, place

_PROGRAM = """
import json, runpy, sys
from pathlib import Path
import numpy as np
sys.modules["tlplug"] = None
sys.path.insert(0, sys.argv[1])
code, about = runpy.run_path(sys.argv[1] + "/preprocess.py"), {"preprocess": {"options": json.loads(sys.argv[2])}}
arrays = code["prepare"](code["read"](Path(sys.argv[3]), about), about)
plain = {f"array {name}": array.astype(str) if array.dtype == object else array for name, array in arrays.items()}
np.savez(sys.argv[1] + "/arrays.npz", allow_pickle=False, **plain)
print(json.dumps(sorted({"tensorflow", "keras"} & set(sys.modules))))
"""


def prepare_alone(
    standalone: str, source: Path, options: Mapping[str, Any], files: Mapping[str, Path] | None = None
) -> dict[str, NDArray[Any]]:
    """Read and prepare a file by what an export has beside its model, in a process without tlplug.

    Args:
        standalone: name of the module, see `tlplug.Preprocess`.
        source: the file.
        options: of the preprocess, with ``input_shape``.
        files: that the preprocess needs, by name.

    Returns:
        The arrays that ``prepare`` gives, texts as they are in NumPy.

    Raises:
        ExportError: a module cannot travel.
        AssertionError: the code fails, with what it said; or it imports TensorFlow or Keras.

    Example::

        arrays = prepare_alone("tlplug_vision.standalone", Path("rose.jpg"), {"input_shape": (224, 224, 3)})
        assert arrays["image"].shape == (1, 224, 224, 3)
    """
    with tempfile.TemporaryDirectory(prefix="tlplug-alone-") as temporary:
        folder = Path(temporary)
        place({"preprocess.py": file_of(standalone), **files_with(standalone)}, folder)
        (folder / "files").mkdir()
        for name, path in (files or {}).items():
            shutil.copyfile(path, folder / "files" / name)
        command = [
            sys.executable,
            "-P",
            "-B",
            "-c",
            _PROGRAM,
            str(folder),
            json.dumps(dict(options)),
            str(source.absolute()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - Python itself
        if done.returncode:
            raise AssertionError(done.stderr)
        if imported := json.loads(done.stdout):
            raise AssertionError(f"The code that travels imports {', '.join(imported)}.")
        with np.load(folder / "arrays.npz", allow_pickle=False) as found:
            return {name.removeprefix("array "): found[name] for name in found.files}
