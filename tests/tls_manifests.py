"""Certificates and authorities as manifests, as text."""

import base64

import trustme


def secret(name: str, leaf: trustme.LeafCert, namespace: str = "default") -> str:
    """A certificate with its chain and key in a Secret."""
    chain, key = b"".join(each.bytes() for each in leaf.cert_chain_pems), leaf.private_key_pem.bytes()
    data = "".join(f"\n  {at}: {base64.b64encode(it).decode()}" for at, it in (("tls.crt", chain), ("tls.key", key)))
    metadata = f"{{name: {name}, namespace: {namespace}}}"
    return f"\napiVersion: v1\nkind: Secret\nmetadata: {metadata}\ntype: kubernetes.io/tls\ndata:{data}\n"


def bundle(name: str, authority: trustme.CA) -> str:
    """A CA in a ConfigMap."""
    text = authority.cert_pem.bytes().decode().replace("\n", "\n    ")
    return f"\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n    {text}\n"
