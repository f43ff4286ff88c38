"""The values of one exchange: heads, header pairs, raw paths, secrets. No I/O; the standard library, and RE2 as an
optional extra.
"""
