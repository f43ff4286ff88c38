"""HTTP/1.1 on the client's side: what uvicorn does, bounded, strict about framing, and quicker."""
