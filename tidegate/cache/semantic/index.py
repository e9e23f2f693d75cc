"""The phrasings of one small scope as one block of numbers: exact, and fast enough up to some thousands."""

import numpy as np

from tidegate.cache.semantic.profile import Vector

_FIRST_ROWS = 64


class VectorBlock:
    """An exact index. Implements `VectorIndex`."""

    def __init__(self, dimensions: int) -> None:
        self._vectors = np.zeros((_FIRST_ROWS, dimensions), dtype=np.float32)
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return int(self._vectors.shape[1])

    def vector(self, key: str) -> Vector:
        """Return the vector of a phrasing. Raises KeyError."""
        vector: Vector = self._vectors[self._rows[key]].copy()
        return vector

    def set(self, key: str, vector: Vector) -> None:
        """Add a phrasing, or move it."""
        row = self._rows.get(key)
        if row is None:
            row = len(self._keys)
            if row == len(self._vectors):
                self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._keys.append(key)
            self._rows[key] = row
        self._vectors[row] = vector

    def remove(self, key: str) -> None:
        """Remove a phrasing; one that is not there is fine."""
        row = self._rows.pop(key, None)
        if row is None:
            return
        last = self._keys.pop()
        if row < len(self._keys):  # the last row fills the gap
            self._keys[row] = last
            self._rows[last] = row
            self._vectors[row] = self._vectors[len(self._keys)]

    def nearest(self, vector: Vector, count: int) -> list[tuple[str, float]]:
        """Return the nearest phrasings with their cosines, nearest first; of equal ones the older is first."""
        rows = len(self._keys)
        if not rows:
            return []
        cosines = self._vectors[:rows] @ vector
        chosen = np.argpartition(-cosines, count)[:count] if rows > count else np.arange(rows)
        order = chosen[np.lexsort((chosen, -cosines[chosen]))]
        return [(self._keys[row], float(cosines[row])) for row in order]
