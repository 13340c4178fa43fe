"""Writing files so that at every moment either the old content or the new one is there, whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO


@contextlib.contextmanager
def replaced(path: Any) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when the block ends well.

    The content goes to a temporary file in the same folder, is forced to the disk, and is renamed over
    `path`; then the folder is forced to the disk too. On an exception, Ctrl-C included, the temporary
    file is removed and `path` is what it was; a process that is killed may leave a `.name.*.tmp` behind,
    nothing worse. Symbolic links are followed, permissions of an old file kept. What is no regular file
    (a pipe, /dev/null) is written to directly.
    """
    target = os.path.realpath(os.fspath(path))
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as out:  # a folder raises here
            yield out
        return
    folder, name = os.path.split(target)
    descriptor, temporary = tempfile.mkstemp(".tmp", f".{name[:100]}.", folder)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            if hasattr(os, "fchmod"):
                os.fchmod(out.fileno(), _mode(target))
            os.fsync(out.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _mode(target: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(target).st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: str) -> None:
    with contextlib.suppress(OSError):  # some systems cannot open folders; the rename itself is done
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
