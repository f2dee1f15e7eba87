"""Whether programs that come with weights may do whatever they want."""

from __future__ import annotations

import os

TRUST = "TLPLUG_TRUST"


def trusted() -> bool:
    """Whether the user has said ``--trust``: weights that are programs may read and write files, start processes ...

    Without it a plugin refuses weights that would. The answer is for this process, and no file can give it.

    >>> trusted()
    False
    """
    return os.environ.get(TRUST, "").lower() not in ("", "0", "false", "no")
