"""Images that were opened lately: decoding costs more than a small network's forward pass."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from audits.cohorts.images.image import StudyImage

LIMIT = 256 * 2**20
"""Bytes of pixels held at most: some hundred radiographs, or one large volume."""

_Key = tuple[str, int, int]


class HeldImages:
    """Opened images by file, the longest unused dropped first; a file that changed is read again.

    A folder of slices is never held: its own time does not follow its files.

    Attributes:
        limit: Bytes of pixels held at most.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._held: OrderedDict[_Key, StudyImage] = OrderedDict()
        self._bytes = 0

    def get(self, path: Path, read: Callable[[], StudyImage]) -> StudyImage:
        """Return the image of a file, opened by ``read`` where it is not held.

        Args:
            path: The file.
            read: Opens it.
        """
        try:
            facts = path.stat()
        except OSError:
            return read()  # which says in one sentence what is wrong with the file
        if path.is_dir():
            return read()
        key = (str(path), facts.st_mtime_ns, facts.st_size)
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
                return found
        image = read()
        self._keep(key, image)
        return image

    def _keep(self, key: _Key, image: StudyImage) -> None:
        size = image.pixels.nbytes
        if 4 * size > self.limit:
            return
        with self._lock:
            if key in self._held:
                return
            self._held[key] = image
            self._bytes += size
            while self._bytes > self.limit:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.pixels.nbytes


OPENED = HeldImages()
