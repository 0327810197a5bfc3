//! Pulsegate.
