"""The Huffman code of header strings (RFC 7541 5.2 and appendix B).

Facts
- The code is canonical: the lengths of the symbols' codes, in the symbols' order, are the whole of it. A test
  compares every code with another library's.
- Decoding walks a tree by half bytes; each step may give a symbol. The tables are built once, when imported.
- Padding is up to seven bits of the end-of-string symbol, all ones; anything else is an error.
"""

_WRITTEN = """
    13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
    6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
    13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
    15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
    20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
    22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
    26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
    20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
    30
"""
_LENGTHS = tuple(map(int, _WRITTEN.split()))
_END = 256
_NO_CHILD = -1

Step = tuple[int, bytes]
"""Where half a byte leads (a row of the table), and the symbol met on the way."""


def codes() -> list[tuple[int, int]]:
    """Code and length of each symbol, the last one being the end of the string."""
    found = [(0, 0)] * len(_LENGTHS)
    code = length = 0
    for wanted, symbol in sorted((length, symbol) for symbol, length in enumerate(_LENGTHS)):
        code <<= wanted - length
        length = wanted
        found[symbol] = (code, length)
        code += 1
    return found


def _tree() -> list[list[int]]:
    """Inner nodes as pairs of children: another node, or ``-2 - symbol``."""
    nodes = [[_NO_CHILD, _NO_CHILD]]
    for symbol, (code, length) in enumerate(codes()):
        node = 0
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            if nodes[node][bit] == _NO_CHILD:
                nodes.append([_NO_CHILD, _NO_CHILD])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][code & 1] = -2 - symbol
    return nodes


def _step(nodes: list[list[int]], node: int, half: int) -> Step:
    symbol = b""
    for place in (3, 2, 1, 0):
        child = nodes[node][half >> place & 1]
        if child == -2 - _END:
            return len(nodes) << 4, b""
        if child < 0:
            symbol = bytes((-2 - child,))
            child = 0
        node = child
    return node << 4, symbol


def _table() -> list[Step]:
    """The steps from each node, and at the end those from nowhere, which lead nowhere."""
    nodes = _tree()
    nowhere: Step = (len(nodes) << 4, b"")
    return [_step(nodes, node, half) for node in range(len(nodes)) for half in range(16)] + [nowhere] * 16


def _ends() -> frozenset[int]:
    """The rows at which a string may end: up to seven ones deep."""
    nodes, node, rows = _tree(), 0, {0}
    for _ in range(7):
        node = nodes[node][1]
        rows.add(node << 4)
    return frozenset(rows)


_STEPS = _table()
_ENDS = _ends()


def decoded(data: bytes) -> bytes:
    """The string behind ``data``; raises ``ValueError`` when there is none."""
    steps, row = _STEPS, 0
    symbols: list[bytes] = []
    for byte in data:
        row, symbol = steps[row | byte >> 4]
        if symbol:
            symbols.append(symbol)
        row, symbol = steps[row | byte & 15]
        if symbol:
            symbols.append(symbol)
    if row not in _ENDS:
        raise ValueError("padding that is none, or the end of the string inside it")
    return b"".join(symbols)
