//! Runs that break things on purpose while publishers publish and devices listen; the oracle
//! judges at the end.

pub mod kill;
