"""Steps that run on cluster nodes: a spec file goes in, a result file comes out; no Django here."""
