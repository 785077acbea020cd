"""The formats that the embedded hub reads and writes: XML-RPC and RPM."""
