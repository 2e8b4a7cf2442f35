//! Benchmarks of freshlayer. `benches/compare` measures the whole refresh against its peer; the bench
//! `reader` measures opening and lookups against a raw memory map; the bench `fleet` measures the planner over thousands
//! of functions.
