"""Read a QR code back from its modules: what a phone's camera does, for undamaged codes."""

from collections.abc import Callable, Iterator, Sequence

Modules = Sequence[Sequence[bool]]

MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda y, x: (y + x) % 2 == 0,
    lambda y, x: y % 2 == 0,
    lambda y, x: x % 3 == 0,
    lambda y, x: (y + x) % 3 == 0,
    lambda y, x: (y // 2 + x // 3) % 2 == 0,
    lambda y, x: y * x % 2 + y * x % 3 == 0,
    lambda y, x: (y * x % 2 + y * x % 3) % 2 == 0,
    lambda y, x: ((y + x) % 2 + y * x % 3) % 2 == 0,
)
# Of level M: data bytes of each block, by version (ISO/IEC 18004, table 9).
BLOCKS = {1: [16], 2: [28], 3: [44], 4: [32, 32], 5: [43, 43], 6: [27] * 4, 7: [31] * 4}
FORMAT_MASK, LEVEL_M, BYTES = 0b101010000010010, 0b00, 0b0100


def text_in(modules: Modules) -> str:
    """Return the text of a code of level M in byte mode, versions 1 to 7."""
    size = len(modules)
    version = (size - 17) // 4
    level, mask = _format_of(modules)
    assert level == LEVEL_M
    bits = "".join("01"[bool(modules[y][x]) ^ MASKS[mask](y, x)] for y, x in _places(size, version))
    data = _joined([int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8)], BLOCKS[version])
    stream = "".join(f"{byte:08b}" for byte in data)
    assert int(stream[:4], 2) == BYTES
    length = int(stream[4:12], 2)
    return bytes(int(stream[12 + 8 * i : 20 + 8 * i], 2) for i in range(length)).decode()


def _format_of(modules: Modules) -> tuple[int, int]:
    places = [(8, x) for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [(y, 8) for y in (7, 5, 4, 3, 2, 1, 0)]
    word = int("".join("01"[bool(modules[y][x])] for y, x in places), 2) ^ FORMAT_MASK
    return word >> 13, word >> 10 & 0b111


def _joined(raw: list[int], blocks: list[int]) -> list[int]:
    """Undo the interleaving: one byte of each block in turn. All blocks here are of one length."""
    count, length = len(blocks), blocks[0]
    return [raw[i * count + block] for block in range(count) for i in range(length)]


def _places(size: int, version: int) -> Iterator[tuple[int, int]]:
    """Return where the data stands: pairs of columns from the right, up and down in turn."""
    for turn, right in enumerate(x for x in range(size - 1, 0, -2) for x in [x - (x <= 6)]):
        for step in range(size):
            y = step if turn % 2 else size - 1 - step
            for x in (right, right - 1):
                if not _is_pattern(y, x, size, version):
                    yield y, x


def _is_pattern(y: int, x: int, size: int, version: int) -> bool:
    corner = (y < 9 and (x < 9 or x >= size - 8)) or (y >= size - 8 and x < 9)
    timing = 6 in (y, x)
    number = version >= 7 and ((y < 6 and x >= size - 11) or (x < 6 and y >= size - 11))
    return corner or timing or number or _is_aligning(y, x, size, version)


def _is_aligning(y: int, x: int, size: int, version: int) -> bool:
    if version == 1:
        return False
    centers = [6, size - 7] if version < 7 else [6, 22, size - 7]
    return any(
        abs(y - cy) <= 2 and abs(x - cx) <= 2
        for cy in centers
        for cx in centers
        if (cy, cx) not in {(6, 6), (6, size - 7), (size - 7, 6)}
    )
